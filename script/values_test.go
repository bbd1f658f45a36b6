package script_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"starproxy/builtins"
	"starproxy/builtins/clock"
	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/state"
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

// TestNumbers checks that whole numbers of any size are exact on every way, and
// that what a function cannot hold is an error.
func TestNumbers(t *testing.T) {
	t.Parallel()
	h := newHost(script.Options{})
	const two64, two70 = "18446744073709551616", "1180591620717411303424"
	for expr, want := range map[string]string{
		"0xFFFFFFFFFFFFFFFF": "18446744073709551615", "0x8000000000000000": "9223372036854775808",
		"request_body_json('id')": "18446744073709551615", "request_body_json('id') + 1": two64,
		"json.decode('18446744073709551616')": two64, "json.decode('[-0, 1.50, 1e2, 2.0]')": "[0,1.5,100.0,2.0]", "json.decode('1e400')": "json.decode: at offset 5: number out of range",

		"sprig.fromJson('{\"n\":1,\"f\":1.0,\"b\":18446744073709551616}')": `{"n":1,"f":1.0,"b":` + two64 + `}`,
		"sprig.mustFromJson('[9007199254740993]')":                         "[9007199254740993]", "sprig.fromJson('oops')": "null",
		"sprig.toJson({'z': 1 << 64, 'a': 1.0})": `"{\"z\":` + two64 + `,\"a\":1.0}"`, "sprig.toRawJson('<')": `"\"<\""`, "sprig.mustToJson('<')": `"\"\\u003c\""`,
		"sprig.toPrettyJson({'z': 1 << 64, 'a': []})": `"{\n  \"z\": ` + two64 + `,\n  \"a\": []\n}"`,

		"sprig.add(1 << 63, 1)": "9223372036854775809", "sprig.add(1 << 62, 1 << 62)": "9223372036854775808", "sprig.add()": "0", "sprig.add(1.9, '2', True, None)": "4",
		"sprig.add1(9223372036854775807)": "9223372036854775808", "sprig.sub(-(1 << 63), 1)": "-9223372036854775809", "sprig.mul(1 << 40, 1 << 40)": "1208925819614629174706176",
		"sprig.div(1 << 70, 3)": "393530540239137101141", "sprig.div(-7, 2)": "-3", "sprig.mod(1 << 70, 1000)": "424", "sprig.mod(-7, 2)": "-1", "sprig.div(1, 0)": "sprig.div: argument 2: division by 0", "sprig.mod(1, 0)": "division by 0",
		"sprig.max(1, 1 << 70, 5)": two70, "sprig.biggest(1 << 64, 1 << 65)": "36893488147419103232", "sprig.min(1 << 70, -(1 << 70))": "-" + two70,
		"sprig.int(1 << 70)": two70, "sprig.int64('18446744073709551616')": two64, "sprig.int('12.00')": "12", "sprig.int('0x1F')": "31", "sprig.int('soon')": "0", "sprig.int(1e30)": "1000000000000000019884624838656",
		"sprig.atoi('99999999999999999999')": "99999999999999999999", "sprig.atoi('010')": "10", "sprig.toDecimal('2000000000000000000000')": two64, "sprig.toDecimal(777)": "511", "sprig.toDecimal('9')": "0",
		"sprig.add('soon', 1)": "sprig.add: argument 1: got string \"soon\", want int", "sprig.add(float('nan'), 1)": "sprig.add: argument 1: got float nan, want int", "sprig.add([1], 1)": "got list, want int",
		"sprig.ceil(9007199254740993)": "sprig.ceil: argument 1: got int 9007199254740993, which a float cannot hold exactly", "sprig.addf(1, '9007199254740993')": "which a float cannot hold exactly", "sprig.round(1 << 70, 0)": "1.1805916207174113e+21",
		"sprig.float64(18446744073709551615)": "which a float cannot hold exactly", "sprig.addf(0.1, 0.2)": "0.3", "sprig.floor('1.9')": "1.0",
		"sprig.list(1 << 70, 1.0)": "[" + two70 + ",1.0]", "sprig.first([1 << 70])": two70, "sprig.dig('a', 0, {'a': 1 << 70})": two70, "sprig.uniq([1 << 70, 1 << 70])": "[" + two70 + "]",
		"sprig.toString(1 << 70)": `"` + two70 + `"`, "sprig.quote(1 << 70)": `"\"` + two70 + `\""`, "sprig.deepEqual(1 << 70, 1 << 70)": "true", "sprig.default(0, 1 << 70)": two70,
		"sprig.duration(1 << 70)": "want whole seconds up to 9223372036", "sprig.duration(95)": `"1m35s"`, "sprig.duration('soon')": "want whole seconds",

		"sprig.dict('z', 1 << 70, 'a', 2)": `{"z":` + two70 + `,"a":2}`, "sprig.set({'z': 1, 'b': 2}, 'a', 3)": `{"z":1,"b":2,"a":3}`, "sprig.unset({'z': 1, 'b': 2, 'a': 3}, 'b')": `{"z":1,"a":3}`,
		"sprig.pick({'z': 1, 'b': 2, 'a': 3}, 'a', 'z')": `{"z":1,"a":3}`, "sprig.omit({'z': 1, 'b': 2, 'a': 3}, 'b')": `{"z":1,"a":3}`, "sprig.deepCopy({'z': 1 << 70, 'a': []})": `{"z":` + two70 + `,"a":[]}`,
		"sprig.merge({'z': {'y': 1}, 'b': 0}, {'z': {'y': 2, 'x': 3}, 'b': 4, 'a': 5})": `{"z":{"y":1,"x":3},"b":4,"a":5}`, "sprig.mergeOverwrite({'z': {'y': 1}, 'b': 1}, {'z': {'y': 2}, 'b': 0, 'a': 5})": `{"z":{"y":2},"b":1,"a":5}`,
		"sprig.keys({'z': 1, 'b': 2, 'a': 3}, {'c': 1})": `["z","b","a","c"]`, "sprig.values({'z': 1, 'b': 2, 'a': 3})": "[1,2,3]", "sprig.set([1], 'a', 1)": "sprig.set: argument 1: got list, want dict",

		"merge({'z': 1 << 70, 'a': {'y': 1, 'b': 2}}, {'m': 1, 'a': {'b': 1.0}, 'c': 2})": `{"z":` + two70 + `,"a":{"y":1,"b":1.0},"m":1,"c":2}`,

		"random_int(1 << 70, 1 << 70)": two70, "sprig.randInt(1 << 70, (1 << 70) + 1)": two70, "random_int(-(1 << 63), (1 << 63) - 1) != random_int(0, 1 << 80)": "true", "random_int(1, 'x')": `random_int: argument "b": got string "x", want int`,
		"math.round(9007199254740993)": "math.round: argument 1: got int 9007199254740993, which a float cannot hold exactly", "math.floor(9007199254740993)": "9007199254740993", "math.fabs(-9007199254740993)": "which a float cannot hold exactly",
		"sprig.until(1 << 70)":          "sprig.until: argument 1: got int " + two70 + ", want an int that fits 64 bits",
		"request_path_segment(1 << 70)": `request_path_segment: argument "index": got int ` + two70 + ", want an int that fits 64 bits",
	} {
		if got := evaluate(t, h, expr); got != want && !(strings.Contains(got, "a.yaml:1:") && strings.Contains(got, want)) {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
}

// TestStateKeeps checks that the state gives back what was put in, to scripts and to others.
func TestStateKeeps(t *testing.T) {
	t.Parallel()
	st := state.New()
	h := newHost(script.Options{State: st})
	for text, want := range map[string]string{
		"18446744073709551616": "18446744073709551616", "-9223372036854775809": "-9223372036854775809", "9007199254740993": "9007199254740993",
		"2.0": "2.0", "1.50": "1.5", "1e22": "1e+22", `{"z":1,"a":{"y":18446744073709551616,"b":[1.0]}}`: `{"z":1,"a":{"y":18446744073709551616,"b":[1.0]}}`,
	} {
		v, err := jsonvalue.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := st.Set("k", v); err != nil {
			t.Fatal(err)
		}
		stored, _ := st.Get("k")
		if b, err := jsonvalue.Append(nil, stored); err != nil || string(b) != text {
			t.Errorf("%s is stored as %s, %v", text, b, err)
		}
		for expr, want := range map[string]string{"state(k)": want, "state.update('k', lambda v: v)": want, "state.pop('k')": want} {
			if got := evaluate(t, h, expr); got != want {
				t.Errorf("%s of %s: got %s, want %s", expr, text, got, want)
			}
			st.Set("k", v)
		}
	}
	st.Set("n", int64(1<<63-1))
	if got := evaluate(t, h, "state.incr('n', by=2)"); got != "9223372036854775809" {
		t.Errorf("got %s", got)
	}
	if v, _ := st.Get("n"); fmt.Sprint(v) != "9223372036854775809" {
		t.Errorf("got %v", v)
	}
}

// TestTimes checks times in UTC, and what is no time.
func TestTimes(t *testing.T) {
	t.Parallel()
	h := newHost(script.Options{Clock: clock.Frozen(time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 9*3600)))})
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

// TestSeed checks that functions which use chance give the same with the same
// seed, or say that they do not.
func TestSeed(t *testing.T) {
	t.Parallel()
	seed := uint64(18446744073709551615)
	pair := [2]*script.Host{newHost(script.Options{Seed: &seed}), newHost(script.Options{Seed: &seed})}
	for _, expr := range []string{
		"uuid", "random_int(1, 1000000)", "random_int(0, 1 << 90)", "random_float(0, 1, 15)", "[random_choice(a, b, c, d, e, f) for _ in range(20)]", "[random_int(1, 9) for _ in range(20)]",
		"sprig.uuidv4", "sprig.randInt(0, 1000000)", "sprig.randInt(0, 1 << 90)", "sprig.randAlphaNum(20)", "sprig.randAlpha(20)", "sprig.randNumeric(20)", "sprig.randAscii(20)", "sprig.randBytes(20)", "sprig.shuffle('abcdefghijklmnop')",
		"sprig.encryptAES('pw', 'text')", "sprig.bcrypt('pw')", "sprig.htpasswd('ada', 'pw')",
		"sprig.keys({str(i): i for i in range(30)})", "sprig.values({str(i): i for i in range(30)})", "sprig.split(',', 'a,b,c,d,e,f,g,h')", "sprig.derivePassword(1, 'long', 'password', 'user', 'example.com')",
	} {
		a, b := evaluate(t, pair[0], expr), evaluate(t, pair[1], expr)
		if a != b || strings.Contains(a, "a.yaml") {
			t.Errorf("%s: got %s and %s", expr, a, b)
		}
		if again := evaluate(t, pair[0], expr); again == a && !strings.Contains(expr, "({") && !strings.Contains(expr, "split") && !strings.Contains(expr, "derive") {
			t.Errorf("%s: got %s twice, want chance", expr, a)
		}
		evaluate(t, pair[1], expr)
	}
	for _, f := range builtins.Modules() {
		for _, fn := range f.Funcs {
			uses := f.Name == "sprig" && strings.HasPrefix(fn.Name, "gen")
			if uses != strings.Contains(fn.Doc, "Not repeatable") {
				t.Errorf("%s.%s: %q", f.Name, fn.Name, fn.Doc)
			}
		}
	}
	hash := strings.Trim(evaluate(t, pair[0], "sprig.bcrypt('pässword')"), `"`)
	if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte("pässword")); err != nil {
		t.Errorf("%s: %v", hash, err)
	}
	if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte("password")); err == nil {
		t.Errorf("%s fits another password", hash)
	}
	for expr, want := range map[string]string{
		"sprig.bcrypt('x' * 73)": "want at most 72", "sprig.htpasswd('a:b', 'pw')": "without a colon",
		"sprig.decryptAES('pw', sprig.encryptAES('pw', 'ä' * 33)) == 'ä' * 33": "true", "sprig.encryptAES('pw', '')": `""`,
	} {
		if got := evaluate(t, pair[0], expr); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
}
