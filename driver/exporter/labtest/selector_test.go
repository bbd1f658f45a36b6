package labtest

import "testing"

func TestSelector(t *testing.T) {
	t.Parallel()
	labels := map[string]string{"device": "dut", "site": "lab-1", "empty": ""}
	for text, want := range map[string]bool{
		"":                                 true,
		"device=dut":                       true,
		"device == dut, site=lab-1":        true,
		"device=dut,site=lab-2":            false,
		"device=other":                     false,
		"device!=other":                    true,
		"device!=dut":                      false,
		"absent!=dut":                      true,
		"device in (other, dut), site":     true,
		"device in (other)":                false,
		"device notin (other),absent!=x":   true,
		"absent notin (other)":             true,
		"device notin (other,dut)":         false,
		"empty":                            true,
		"empty=":                           true,
		"absent":                           false,
		"!absent":                          true,
		"!device":                          false,
		"device in (other,dut),!site":      false,
		"device  in  (dut),site in(lab-1)": true,
	} {
		s, err := parseSelector(text)
		if err != nil || s.fits(labels) != want {
			t.Errorf("%q: %v, %v, want %v", text, s.fits(labels), err, want)
		}
	}
	for _, text := range []string{"=x", "a b", "a=b=c", "a of (b)", "a in (b", "a,,b", "!", "a in b"} {
		if s, err := parseSelector(text); err == nil {
			t.Errorf("%q is read as %v", text, s)
		}
	}
}
