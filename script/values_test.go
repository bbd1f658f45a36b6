package script_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"starproxy/script"
)

// evaluate is the JSON of an expression, or the message of its error.
func evaluate(t testing.TB, h *script.Host, expr string) string {
	t.Helper()
	tm, err := h.Template("{{"+expr+"}}", script.Position{File: "a.yaml", Line: 1, Column: 1})
	if err != nil {
		return err.Error()
	}
	b, err := tm.JSON(t.Context(), newExchange("POST", "/", `{"id": 18446744073709551615, "z": 1, "a": 2}`))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// TestTimes checks times in UTC, and what is no time.
func TestTimes(t *testing.T) {
	t.Parallel()
	h := newHost(script.Options{Clock: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 9*3600)) }})
	for expr, want := range map[string]string{
		"time.now().hour": "18", "str(time.now())": `"2026-01-01 18:04:05 +0000 UTC"`, "sprig.now().hour": "18", "now_iso": `"2026-01-01T18:04:05.000000+00:00"`,
		"time.from_timestamp(0).hour": "0", "time.parse_time('2026-01-01T00:00:00+02:00').unix": "1767218400",
		"sprig.date('2006-01-02 15:04', 0)": `"1970-01-01 00:00"`, "sprig.date('15:04 MST', time.now())": `"18:04 UTC"`, "sprig.date('15', 3600.0)": `"01"`, "sprig.htmlDate(0)": `"1970-01-01"`,
		"sprig.dateInZone('15:04', 0, 'Asia/Tokyo')": `"09:00"`, "sprig.htmlDateInZone(-1, 'Europe/Berlin')": `"1970-01-01"`, "sprig.date_in_zone('15', 0, 'Mars/Base')": `sprig.date_in_zone: unknown time zone "Mars/Base"`,
		"time.time(2026, 7, 1, 12, location='Europe/Berlin').unix": "1782900000", "time.is_valid_timezone('Europe/Berlin')": "true", "time.is_valid_timezone('Mars/Base')": "false",
		"time.is_valid_timezone('Local')": "false", "sprig.dateInZone('15', 0, 'Local')": `the time zone "Local" is another one on each machine`,
		"sprig.date('2006', 'soon')": `sprig.date: argument "b": got string "soon", want a time or seconds since 1970`, "sprig.date('2006', None)": "got NoneType, want a time", "sprig.date('2006', '0')": "want a time",
		"sprig.htmlDate(1.5)": "got float 1.5, want a time", "sprig.htmlDateInZone([], 'UTC')": `argument "a": got list`, "sprig.ago('soon')": "want a time", "sprig.unixEpoch('x')": "want a time", "sprig.unixEpoch(7)": `"7"`,
		"sprig.dateModify('-1h', 7200).hour": "1", "sprig.dateModify('soon', 0)": `sprig.dateModify: "soon" is no duration`, "sprig.must_date_modify('1h', 'x')": "want a time",
		"sprig.toDate('2006-01-02 15', '2026-05-06 07').unix": "1778050800", "sprig.toDate('2006', 'soon')": `sprig.toDate: "soon" does not fit the layout "2006"`,
		"sprig.durationRound('2h10m5s')": `"2h"`, "sprig.durationRound(time.hour * 50)": `"2d"`, "sprig.durationRound(sprig.dateModify('-40h', time.now()))": `"1d"`, "sprig.durationRound(-5 * 60 * 1000000000)": `"5m"`, "sprig.durationRound(None)": "want a duration",
	} {
		if got := evaluate(t, h, expr); got != want && !(strings.Contains(got, "a.yaml:1:") && strings.Contains(got, want)) {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
}

// TestZoneOfTheMachine runs TestTimes where the machine is in Tokyo.
func TestZoneOfTheMachine(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTimes$")
	cmd.Env = append(os.Environ(), "TZ=Asia/Tokyo")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
