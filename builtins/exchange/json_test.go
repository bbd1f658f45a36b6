package exchange

import (
	"math"
	"testing"
)

func TestEncodeJSON(t *testing.T) {
	t.Parallel()
	got, err := EncodeJSON(map[string]any{"b": []int{1}, "a": "<x> & \"y\"\n"})
	if want := `{"a":"<x> & \"y\"\n","b":[1]}`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	if got, err := EncodeJSON(math.NaN()); err == nil {
		t.Errorf("NaN: %s", got)
	}
}
