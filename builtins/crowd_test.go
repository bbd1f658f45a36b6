package builtins

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/value"
)

// colliding makes texts whose hashes have the same low 16 bits, by which the
// interpreter chooses one of up to 65536 buckets.
func colliding(n int) []string { return collisions()[:n] }

var collisions = sync.OnceValue(func() []string {
	const prime, target = 16777619, 0x1234
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	inverse := uint16(prime & 0xffff) // of the prime, by Newton's iteration
	for range 4 {
		inverse *= 2 - prime&0xffff*inverse
	}
	begins := map[uint16][]string{} // by the hash so far
	for i := range 500_000 {
		begin := strconv.Itoa(1_000_000 + i)
		h := uint32(2166136261)
		for _, b := range []byte(begin) {
			h = (h ^ uint32(b)) * prime
		}
		begins[uint16(h)] = append(begins[uint16(h)], begin)
	}
	var keys []string
	for _, a := range alphabet {
		for _, b := range alphabet {
			h := (uint16(target)*inverse ^ uint16(b)) * inverse
			for _, begin := range begins[h^uint16(a)] {
				keys = append(keys, begin+string(a)+string(b))
			}
		}
	}
	return keys
})

// object is the JSON text of an object with these keys.
func object(keys []string) string { return `{"` + strings.Join(keys, `":1,"`) + `":1}` }

func TestCollidingKeysCollide(t *testing.T) {
	t.Parallel()
	for _, k := range colliding(20_000) {
		if h, _ := starlark.String(k).Hash(); h&0xffff != 0x1234 {
			t.Fatalf("%s: hash is %x", k, h)
		}
	}
}

// evaluate computes an expression with a request.
func evaluate(t *testing.T, r *exchange.Request, extra starlark.StringDict, expr string) error {
	t.Helper()
	thread := &starlark.Thread{Name: "test"}
	c := &call.Call{Env: call.NewEnv(), Thread: thread, Context: t.Context(), Exchange: &exchange.Exchange{Request: r}}
	c.Env.MaxBody = 16 << 20
	c.Attach()
	names := Names(Everywhere)
	env := starlark.StringDict{"req": value.RequestOf(c)}
	for k, v := range names {
		env[k] = v
	}
	for k, v := range extra {
		env[k] = v
	}
	_, err := starlark.EvalOptions(new(syntax.FileOptions), thread, "t.star", expr, env)
	return err
}

// TestCrowdedKeys checks that keys made to have the same hash are refused,
// wherever a client's data becomes a dict or a set.
func TestCrowdedKeys(t *testing.T) {
	t.Parallel()
	keys := colliding(25_000)
	body := object(keys)
	form := url.Values{}
	for _, k := range keys[:9000] {
		form.Set(k, "1")
	}
	list := make([]starlark.Value, len(keys))
	pairs := make([]starlark.Value, len(keys))
	for i, k := range keys {
		list[i] = starlark.String(k)
		pairs[i] = starlark.Tuple{list[i], starlark.None}
	}
	extra := starlark.StringDict{"keys": starlark.NewList(list), "pairs": starlark.NewList(pairs), "text": starlark.String(body)}
	request := func() *exchange.Request {
		return &exchange.Request{Method: "POST", Scheme: "http", Authority: "h", Target: "/?" + form.Encode(), Header: exchange.HeaderOf(
			"Content-Type", "application/x-www-form-urlencoded",
		), Body: exchange.NewIncoming(strings.NewReader(form.Encode()), nil)}
	}
	for _, expr := range []string{
		"json.decode(text)", "json.decode(text, default = 1)", "sprig.fromJson(text)", "req.query", "req.form()", "set(keys)", "dict(pairs)",
	} {
		err := evaluate(t, request(), extra, expr)
		if err == nil || !strings.Contains(err.Error(), "have the same hash") {
			t.Errorf("%s: got %v, want an error", expr, err)
		}
	}
}

// TestCrowdedMethods checks the same for the methods of dicts and sets.
func TestCrowdedMethods(t *testing.T) {
	t.Parallel()
	var list, pairs []starlark.Value
	for i, k := range colliding(25_000) {
		list = append(list, starlark.String(k))
		pairs = append(pairs, starlark.Tuple{list[i], starlark.None})
	}
	thread := &starlark.Thread{Name: "test"}
	(&call.Call{Env: call.NewEnv(), Thread: thread, Context: t.Context()}).Attach()
	for _, c := range []struct {
		recv starlark.Value
		name string
		arg  []starlark.Value
	}{
		{new(starlark.Dict), "update", pairs}, {new(starlark.Set), "update", list}, {new(starlark.Set), "union", list},
		{new(starlark.Set), "symmetric_difference", list}, {new(starlark.Set), "issubset", list},
	} {
		fn, err := operand{Value: c.recv}.Attr(c.name)
		if err == nil {
			_, err = starlark.Call(thread, fn, starlark.Tuple{starlark.NewList(c.arg)}, nil)
		}
		if err == nil || !strings.Contains(err.Error(), "have the same hash") {
			t.Errorf("%s.%s: got %v, want an error", c.recv.Type(), c.name, err)
		}
	}
}

// TestCrowdedJSON checks the same for the body, for what the state store holds and
// for a cell.
func TestCrowdedJSON(t *testing.T) {
	t.Parallel()
	keys := colliding(25_000)
	body := `{"a": ` + object(keys) + `}`
	r := value.NewRequest(&exchange.Exchange{Request: &exchange.Request{Body: exchange.NewIncoming(strings.NewReader(body), nil)}}, 1<<20)
	for _, path := range []string{"a", "", "a", "a.x", "a"} {
		if v, err := r.JSON(path); err == nil || !strings.Contains(err.Error(), "have the same hash") {
			t.Errorf("JSON(%q) = %.40v, %v; want an error", path, v, err)
		}
	}
	m := map[string]any{}
	for _, k := range keys {
		m[k] = true
	}
	c := &call.Call{Context: t.Context()}
	var o jsonvalue.Object
	for _, k := range keys {
		o = append(o, jsonvalue.Member{Key: k})
	}
	if _, err := value.Within(c, []any{o}); err == nil || !strings.Contains(err.Error(), "have the same hash") {
		t.Errorf("fromGo of an object: %v", err)
	}
	if _, err := value.Within(c, []any{m}); err == nil || !strings.Contains(err.Error(), "have the same hash") {
		t.Errorf("fromGo: %v", err)
	}
	d := starlark.NewDict(len(keys))
	for _, k := range keys {
		d.SetKey(starlark.String(k), starlark.None)
	}
	if _, err := value.Mutable(c, d); err == nil || !strings.Contains(err.Error(), "have the same hash") {
		t.Errorf("mutable: %v", err)
	}
}

// TestNoCrowd checks that natural keys are accepted, however many there are.
func TestNoCrowd(t *testing.T) {
	t.Parallel()
	var keys []string
	for i := range 30_000 {
		keys = append(keys, fmt.Sprint(i*1000))
	}
	if _, err := value.DecodeJSON(nil, []byte(object(keys))); err != nil {
		t.Errorf("numbers: %v", err)
	}
	same := strings.Repeat(`"a":1,`, 30_000)
	if v, err := value.DecodeJSON(nil, []byte(`{`+same+`"b":2}`)); err != nil || v.String() != `{"a": 1, "b": 2}` {
		t.Errorf("the same key: %v, %v", v, err)
	}
	for _, expr := range []string{
		`set(["ok", "failed"] * 20000)`, `set([i % 7 for i in range(20000)])`, `set([i * 256 for i in range(20000)])`,
		`dict([(str(i), i) for i in range(20000)])`,
		`set([(1, i) for i in range(20000)])`,
	} {
		if err := evaluate(t, &exchange.Request{}, nil, expr); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
	}
}
