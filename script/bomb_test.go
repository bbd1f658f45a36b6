package script_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"starproxy/script"
)

// The child of TestBombs is the test binary with this variable: how many bombs
// it leaves out after each one.
const bombsEnv = "STARPROXY_TEST_BOMBS"

// maxBombMemory is how much memory the child may have, in bytes: the limit of
// its scripts is far below.
const maxBombMemory = 2 << 30

// TestBombs runs hostile scripts in a process of their own: the process lives,
// each script ends soon after its time, others are served meanwhile, and the
// memory stays within bounds. All of them, for half a second each, are for make test.
func TestBombs(t *testing.T) {
	skip := "9"
	if os.Getenv("STARPROXY_INTEROP") != "" {
		skip = "0"
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestBombsChild$", "-test.v")
	cmd.Env = append(os.Environ(), bombsEnv+"="+skip)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		text := out.String()
		t.Fatalf("the process ended with %v:\n%.3000s\n...\n%s", err, text, text[max(0, len(text)-3000):])
	}
	if testing.Verbose() {
		t.Log(out.String())
	}
}

// TestBombsChild is the process that runs them.
func TestBombsChild(t *testing.T) {
	var skip int
	if _, err := fmt.Sscan(os.Getenv(bombsEnv), &skip); err != nil {
		t.Skip("it is run by TestBombs")
	}
	if len(bombs) < 120 {
		t.Fatalf("there are %d bombs only", len(bombs))
	}
	fuse := 500 * time.Millisecond
	if skip > 0 {
		fuse = 200 * time.Millisecond
	}
	h := newHost(script.Options{MaxMemory: 96 << 20, MaxTime: fuse, MaxSteps: 1 << 40})
	ok, err := h.Template("{{ 1 + 1 }}", script.Position{})
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var served, refused, peak, most atomic.Int64
	var others sync.WaitGroup
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(500 * time.Microsecond):
			}
			total := memoryNow()
			peak.Store(max(peak.Load(), total))
			if total > maxBombMemory {
				fmt.Printf("the process has %d MiB\n", total>>20)
				os.Exit(3)
			}
		}
	})
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			if v, err := ok.Render(context.Background(), nil); v == int64(2) && err == nil {
				served.Add(1)
			} else {
				refused.Add(1) // it was suspected of what the bomb held
			}
		}
	})
	for i := 0; i < len(bombs); i += skip + 1 {
		before := served.Load()
		began := time.Now()
		fmt.Printf("bomb %d: %s\n", i, bombs[i])
		err := explode(h, i, bombs[i])
		took := time.Since(began)
		highest := peak.Swap(0)
		most.Store(max(most.Load(), highest))
		fmt.Printf("  %v, peak %d MiB: %v\n", took.Round(time.Millisecond), highest>>20, clip(fmt.Sprint(err)))
		if took > 30*time.Second {
			t.Errorf("bomb %d took %v", i, took)
		}
		for deadline := time.Now().Add(30 * time.Second); served.Load() == before; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("nobody else is served after bomb %d", i)
			}
		}
		h.State().Clear()
		h.Reset()
	}
	close(stop)
	others.Wait()
	fmt.Printf("served %d, refused %d, peak %d MiB\n", served.Load(), refused.Load(), most.Load()>>20)
}

// explode runs a bomb as a handler.
func explode(h *script.Host, i int, body string) error {
	src := "c = cell(0)\ndef bomb(req):\n    " + strings.ReplaceAll(body, "\n", "\n    ") + "\n"
	s, err := h.LoadText(fmt.Sprintf("bomb%d.star", i), []byte(src))
	if err != nil {
		return err
	}
	handler, err := h.Handler(s.Globals["bomb"])
	if err != nil {
		return err
	}
	_, err = handler.Respond(context.Background(), newExchange("GET", "/", ""))
	return err
}

func clip(s string) string { return s[:min(len(s), 200)] }

// memoryNow is the memory of the process, in bytes.
func memoryNow() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64() - s[1].Value.Uint64())
}

// bombs are the bodies of handlers.
var bombs = []string{
	// Time.
	"while True:\n    pass",
	"n = 0\nwhile True:\n    n += 1",
	"[x for x in range(1 << 40) if x < 0]",
	"def f(n):\n    return f(n + 1)\nf(0)",
	"def f(n):\n    f(n - 1) if n else 0\n    f(n - 1) if n else 0\nf(60)",
	"while True:\n    sleep('1ms')",
	"sleep('1h')",
	"while True:\n    try_(lambda: 1 // 0)",
	"while True:\n    try_(lambda: [x for x in range(1 << 40) if x < 0])",
	"l = list(range(1000000))\nwhile True:\n    -1 in l",
	"l = list(range(1000000))\nwhile True:\n    l.index(999999)",
	"l = list(range(1000000))\nwhile True:\n    l.insert(0, 1)",
	"l = list(range(1000000))\nwhile True:\n    l.pop(0)\n    l.append(1)",
	"l = list(range(1000000))\nwhile True:\n    l == list(range(1000000))",
	"l = list(range(900000))\nwhile True:\n    sorted(l, key = lambda x: -x)",
	"sorted(range(9000000))",
	"sorted(iterable = range(9000000))",
	"sorted(range(1000000), key = lambda x: [y for y in range(1 << 40)])",
	"while True:\n    sorted(range(1000000), reverse = True)",
	"while True:\n    max(range(9000000))",
	"while True:\n    min(range(9000000), key = lambda x: -x)",
	"while True:\n    all(range(1, 9000000))",
	"while True:\n    any([0] * 900000)",
	"any(range(1 << 40))",
	"list(zip(*[range(1000000)] * 50))",
	"s = 'a' * 10000000\nwhile True:\n    s.find('b')",
	"s = 'a' * 10000000\nwhile True:\n    s.count('a')",
	"s = 'a' * 10000000\nwhile True:\n    s.upper()",
	"s = 'a' * 10000000\nwhile True:\n    s.title()",
	"s = 'a' * 10000000\nwhile True:\n    s.splitlines()",
	"s = 'é' * 1000000\ns.strip('x' * 1000000 + 'é')",
	"s = 'é' * 1000000\ns.lstrip('x' * 1000000 + 'é')",
	"getattr('é' * 1000000, 'rstrip')('x' * 1000000 + 'é')",
	"x = 3\nwhile True:\n    x = x * x",
	"x = 1\nwhile True:\n    x = x << 511",
	"x = (1 << 511)\nwhile True:\n    x = (x << 511) | x\n    x % 7919",
	"x = int('9' * 90000)\nwhile True:\n    str(x * x)",
	"int('9' * 10000000)",
	"int(x = '9' * 10000000)",
	"x = 1\nfor i in range(1 << 20):\n    x = x << 511\njson.encode(x)",
	"x = 1\nfor i in range(3000):\n    x = x << 511\nstr(x)",
	"x = 1\nfor i in range(3000):\n    x = x << 511\nstate.set('x', x)",
	"x = 1\nfor i in range(3000):\n    x = x << 511\n'%d' % x",

	// Regular expressions.
	"re.search('(x+x+)+y', 'x' * 10000000)",
	"re.findall('(a*)*b', 'a' * 2000000)",
	"re.search('(a?){900}a{900}', 'a' * 1000000)",
	"re.sub('', 'x' * 1000, 'a' * 10000000)",
	"re.split('', 'a' * 20000000)",
	"re.findall('', 'a' * 20000000)",
	"re.findall('(a)(a)(a)', 'a' * 9000000)",
	"re.search('a' * 1000000, 'a')",
	"re.search('|'.join(['(.{900})'] * 1000), 'a' * 10000)",
	"for i in range(1 << 40):\n    re.search('(.{500})' + str(i), 'a')",
	"while True:\n    re.search('(a|b|c)*d', 'abc' * 1000000)",
	"sprig.regexMatch('(x+x+)+y', 'x' * 10000000)",
	"sprig.regexFindAll('', 'a' * 20000000, -1)",
	"sprig.mustRegexFindAll('a', 'a' * 20000000, -1)",
	"sprig.regexSplit('', 'a' * 20000000, -1)",
	"sprig.mustRegexSplit('a', 'a' * 20000000, -1)",
	"sprig.mustRegexReplaceAll('a', 'a' * 100000, 'x' * 100000)",
	"sprig.regexReplaceAll('a*', 'a' * 1000000, '$0' * 1000)",
	"sprig.regexReplaceAllLiteral('', 'a' * 1000000, 'x' * 1000)",
	"sprig.mustRegexFind('a?' * 8000 + 'a' * 8000, 'a' * 16000)",

	// Sprig's other functions.
	"sprig.split('', 'a' * 20000000)",
	"sprig.split(',', ',' * 20000000)",
	"sprig.splitList('', 'a' * 20000000)",
	"sprig.splitn('', 10000000, 'a' * 20000000)",
	"sprig.repeat(1000000, 'x' * 1000)",
	"sprig.indent(1000000, '\\n' * 1000)",
	"sprig.nindent(1000000, '\\n' * 1000)",
	"sprig.replace('a', 'x' * 10000, 'a' * 100000)",
	"sprig.join('x' * 100000, ['a'] * 10000)",
	"sprig.wrapWith(1, 'x' * 100000, 'a b ' * 100000)",
	"sprig.wrap(1, 'a b ' * 1000000)",
	"sprig.fromJson('[' + '{},' * 3000000 + '1]')",
	"sprig.mustFromJson('[' * 5000000)",
	"sprig.fromJson('[' * 9000 + ']' * 9000)",
	"sprig.fromJson('[' + '[],' * 5000000 + '1]')",
	"l = [1]\nfor i in range(900):\n    l = [l]\nsprig.toPrettyJson([l] * 10000)",
	"l = ['x']\nfor i in range(60):\n    l = [l, l]\nsprig.mustToPrettyJson(l)",
	"l = ['x']\nfor i in range(60):\n    l = [l, l]\nsprig.deepCopy(l)",
	"while True:\n    sprig.until(1000000)",
	"while True:\n    sprig.untilStep(0, 1000000, 1)",
	"while True:\n    sprig.seq(1, 1000000)",
	"sprig.chunk(1, list(range(3000000)))",
	"sprig.uniq(list(range(300000)))",
	"sprig.mustUniq(list(range(300000)))",
	"sprig.without(list(range(300000)), *range(30000))",
	"sprig.mustWithout(list(range(100000)), *range(30000))",
	"sprig.trimAll('x' * 1000000 + 'é', 'é' * 1000000)",
	"sprig.sortAlpha(['x' + str(i) for i in range(300000)])",
	"while True:\n    sprig.bcrypt('x')",
	"while True:\n    sprig.htpasswd('u', 'x')",
	"while True:\n    sprig.derivePassword(1, 'long', 'p', 'u', 's')",
	"while True:\n    sprig.genPrivateKey('rsa')",
	"sprig.genPrivateKey('dsa')",
	"while True:\n    sprig.genCA('x', 1)",
	"while True:\n    sprig.genSelfSignedCert('x', None, None, 1)",
	"while True:\n    sprig.encryptAES('0123456789abcdef', 'x' * 10000000)",
	"while True:\n    sprig.sha256sum('x' * 10000000)",
	"sprig.semverCompare('>=1 ' * 1000000, '1.2.3')",
	"sprig.dateInZone('2006' * 1000000, 0, 'UTC')",
	"while True:\n    sprig.randAlphaNum(1000000)",
	"while True:\n    sprig.shuffle('x' * 1000000)",
	"sprig.camelcase('a_b' * 3000000)",
	"sprig.cat(*['x' * 1000000] * 1000)",
	"sprig.dict(*['x'] * 3000000)",

	// Memory.
	"s = 'x'\nwhile True:\n    s = s + s",
	"s = 'x'\nwhile True:\n    s += s",
	"l = []\nwhile True:\n    l.append('x' * 1000000)",
	"l = ['x']\nwhile True:\n    l += l",
	"l = ['x']\nwhile True:\n    l.extend(l)",
	"s = 'x' * 1000\nwhile True:\n    s = '%s%s' % (s, s)",
	"s = 'x' * 1000\nwhile True:\n    s = '{}{}'.format(s, s)",
	"'%(a)s' * 100000 % {'a': 'x' * 100000}",
	"s = '%(a)s' * 100000\ns %= {'a': 'x' * 100000}",
	"l = ['%(a)s' * 100000]\nl[0] %= {'a': 'x' * 100000}",
	"d = {}\nfor i in range(1 << 40):\n    d[i] = i",
	"s = set()\nfor i in range(1 << 40):\n    s.add(i)",
	"[str(i) for i in range(1 << 40)]",
	"{i: [i] for i in range(1 << 40)}",
	"'x' * (1 << 40)",
	"[0] * (1 << 29)",
	"(0,) * (1 << 29)",
	"b'x' * (1 << 30)",
	"l = [0]\nl *= 1 << 29",
	"''.join(['x' * 1000000] * 1000000)",
	"('a' * 1000000).replace('a', 'x' * 1000000)",
	"print(*[0] * 1000, sep = 'x' * 1000000)",
	"str(['x' * 1000000] * 1000000)",
	"json.encode(['x' * 1000000] * 1000000)",
	"json.decode('[' + '{},' * 3000000 + '1]')",
	"json.decode('[' + '[],' * 5000000 + '1]')",
	"json.decode('[' * 5000000)",
	"json.indent('[' * 900 + '1,' * 1000000 + '1' + ']' * 900, indent = ' ' * 60)",
	"t = (1,)\nfor i in range(60):\n    t = (t, t)\nreturn {'body': t}",
	"l = ['x' * 1000]\nfor i in range(60):\n    l = [l, l]\nreturn {'body': l}",
	"l = ['x' * 1000]\nfor i in range(60):\n    l = [l, l]\nreturn response(body = l)",
	"for i in range(1 << 40):\n    state.set(str(i), 'x' * 100000)",
	"for i in range(1 << 40):\n    state.set('x' * 1000000 + str(i), 1)",
	"for i in range(1 << 40):\n    counter(str(i))",
	"counter('x' * 10000000)",
	"state.set('l', [{}] * 3000000)",
	"state.set('l', [0] * 1000000)\nl = []\nwhile True:\n    l.append(state.get('l'))",
	"l = []\nwhile True:\n    l.append(cell(list(range(10000))))",
	"list(enumerate(range(9000000)))",
	"dict([(i, i) for i in range(5000000)])",
	"set(range(9000000))",
	"x = set([0])\nx.union(range(9000000))",
	"list(('a' * 9000000).elems())",
	"max(*range(1 << 40))",
	"c.set('x' * 10000000)\nwhile True:\n    c.update(lambda s: s + s)",

	// Depth: the walks of values.
	"t = ()\nfor i in range(14000000):\n    t = (t,)\n    if i % 100000 == 0:\n        sleep('1us')\n{t: 1}",
	"t = ()\nwhile True:\n    t = ((((((((t,),),),),),),),)",
	"t = ()\nfor i in range(2000000):\n    t = (t,)\n{t: 1}",
	"l = []\nfor i in range(14000000):\n    l = [l]\nc.set(l)",
	"l = []\nfor i in range(500000):\n    l = [l]\nc.set(l)",
	"t = ()\nfor i in range(500000):\n    t = (t,)\nc.set(t)",
	"t = (1,)\nfor i in range(100):\n    t = (t, t)\nc.set(t)",
	"t = (1,)\nfor i in range(100):\n    t = (t, t)\ncell(t)",
	"d = {}\nfor i in range(200000):\n    d = {'d': d}\nc.set(d)",
	"l = []\nfor i in range(500000):\n    l = [l]\nstr(l)",
	"l = []\nfor i in range(500000):\n    l = [l]\njson.encode(l)",
	"l = []\nfor i in range(500000):\n    l = [l]\nstate.set('l', l)",
	"l = []\nfor i in range(500000):\n    l = [l]\nl == [l]",
	"l = []\nfor i in range(500000):\n    l = [l]\nsprig.toJson(l)",
	"l = []\nfor i in range(500000):\n    l = [l]\nreturn {'body': l}",
	"l = []\nfor i in range(500000):\n    l = [l]\nlog(l)",
	"l = []\nfor i in range(500000):\n    l = [l]\nstr(cell(l))",
	"s = 0\nfor i in range(500000):\n    s = struct(s = s)\nc.set(s)",
	"def f(g):\n    return lambda: g\ng = None\nfor i in range(300000):\n    g = f(g)\nc.set(g)",
	"def f():\n    def g():\n        return g\n    return g\nc.set(f())",
	"def f(out):\n    return f\nreturn response(stream = f)",
	"l = []\nl.append(l)\nc.set(l)\nreturn {'body': l}",
	"l = []\nfor i in range(500000):\n    l = [l]\nfail(l)",
}
