package flow

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFingerprint writes fingerprints to both formats and reads them back.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	want := []Fingerprint{
		{JA3: "e7d705a3286e19ea42f587b344ee6865", JA4: "t13d1516h2_8daaf6152771_02713d6af862"},
		{JA4: "t12d030400_aaaaaaaaaaaa_bbbbbbbbbbbb", Resumes: true},
		{},
	}
	var flows []*Flow
	for _, p := range want {
		f := every(t)[0]
		f.Metadata = nil
		f.SetFingerprint(p)
		flows = append(flows, f)
	}
	var har bytes.Buffer
	if err := WriteHAR(&har, each(flows), ""); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"flow file": encoded(t, flows...), "HAR": har.Bytes()} {
		var got []Fingerprint
		for f, err := range opened(t, data, Options{}).Flows() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, f.Fingerprint())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestHARConnection tells by a HAR document which flows share a connection.
func TestHARConnection(t *testing.T) {
	t.Parallel()
	var flows []*Flow
	for _, id := range []string{"a", "b", "a", ""} {
		f := every(t)[0]
		f.Client.ID = id
		flows = append(flows, f)
	}
	var har bytes.Buffer
	if err := WriteHAR(&har, each(flows), ""); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for f, err := range opened(t, har.Bytes(), Options{}).Flows() {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, f.Client.ID)
	}
	if len(ids) != 4 || ids[0] != ids[2] || ids[0] == ids[1] || ids[3] == ids[0] || ids[3] == "" {
		t.Errorf("got the connections %q, want the first and the third to be the same", ids)
	}
}
