package h1

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables in testdata anew; new differences get the reason \"?\"")

// TestReadings holds how we read each message of the corpus.
func TestReadings(t *testing.T) {
	t.Parallel()
	var lines []string
	for _, m := range corpus(t) {
		lines = append(lines, m.name+" | "+m.read().String())
	}
	slices.Sort(lines)
	golden(t, "testdata/readings.txt", "# How we read each message of the corpus: NAME | READING.\n", lines, "\n")
}

// TestStandard holds what net/http reads in another way.
func TestStandard(t *testing.T) {
	t.Parallel()
	compare(t, "testdata/nethttp.txt", "net/http", message.readByStandard)
}

// TestForwardedToStandard sees that net/http reads what we forward as we do, or
// refuses it.
func TestForwardedToStandard(t *testing.T) {
	t.Parallel()
	all := forwarded(t)
	var readings []reading
	for _, m := range all {
		r := m.readByStandard()
		if m.method == "CONNECT" { // of which only http.Transport knows that its answer has no body
			r = m.read()
		}
		// It adds this one to Pragma: no-cache.
		r.Header = slices.DeleteFunc(r.Header, func(f [2]string) bool { return f[0] == "Cache-Control" })
		readings = append(readings, r)
	}
	compareForwarded(t, all, readings)
}

// forwarded is the messages of the corpus that we read, as we pass them on.
func forwarded(t *testing.T) (all []message) {
	t.Helper()
	for _, m := range corpus(t) {
		if p, err := parse(m.method, bufio.NewReader(strings.NewReader(m.text))); err == nil {
			all = append(all, message{m.name, m.method, forward(p)})
		}
	}
	return all
}

// compareForwarded sees that others read what we passed on as we do, or refuse it.
func compareForwarded(t *testing.T, all []message, theirs []reading) {
	t.Helper()
	understood := 0
	for i, m := range all {
		ours := m.read()
		a, b := ours.clean(), theirs[i].clean()
		b.Keep = a.Keep // the Connection line is for neighbours: where a message ends does not depend on it
		switch {
		case ours.Error != "":
			t.Errorf("%s: we refuse what we wrote, %s: %q", m.name, ours, m.text)
		case b.Error != "":
			continue
		case !reflect.DeepEqual(a, b):
			t.Errorf("%s: wrote %s,\nread by us as %s,\nby them as    %s", m.name, short(m.text), a, b)
		}
		understood++
	}
	if understood < 150 {
		t.Errorf("got %d messages that they understand, want 150 at least", understood)
	}
}

// forward writes a message as it goes to a server or to a device.
func forward(p *parsed) string {
	if p.target.Form == AbsoluteForm { // RFC 9112 section 3.2.2
		p.request.Target = p.target.Path
		p.request.Header.Set("Host", p.target.Authority)
	}
	return write(p)
}

// write writes a message as it was read.
func write(p *parsed) string {
	var b strings.Builder
	w := bufio.NewWriter(&b)
	var f Framing
	if q := p.request; q != nil {
		f = q.Body
		WriteRequest(w, q)
	} else {
		f = p.response.Body
		writeResponse(w, p.response)
	}
	if f.Kind == Chunked {
		c := ChunkWriter{w}
		c.Write([]byte(p.body))
		c.End(p.trailer)
	} else {
		w.WriteString(p.body)
	}
	w.Flush()
	return b.String()
}

// compare holds the differences between our readings and theirs in a table.
func compare(t *testing.T, table, reader string, read func(message) reading) {
	t.Helper()
	why, old := reasons(t), reasonsIn(t, table)
	var rows []string
	for _, m := range corpus(t) {
		ours, theirs := m.read().clean(), read(m).clean()
		if ours.Error != "" && theirs.Error != "" || reflect.DeepEqual(ours, theirs) {
			continue
		}
		key, known := old[m.name]
		if !known {
			key = "?"
		}
		rows = append(rows, fmt.Sprintf("%s\n  %-9s %s\n  %-9s %s\n  reason    %s%s\n", m.name, "ours", ours, reader, theirs, key, why[key]))
		if why[key] == "" && !*update {
			t.Errorf("%s: reason: got %q, want one of reasons.txt\n  ours     %s\n  %-8s %s", m.name, key, ours, reader, theirs)
		}
	}
	slices.Sort(rows)
	golden(t, table, "# Messages that "+reader+" reads in another way than we do. reasons.txt says who is right.\n\n", rows, "\n")
}

// TestReasons sees that each reason is one of a difference.
func TestReasons(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, table := range []string{"testdata/nethttp.txt", "testdata/mitmproxy.txt"} {
		for _, key := range reasonsIn(t, table) {
			used[key] = true
		}
	}
	for key := range reasons(t) {
		if !used[key] {
			t.Errorf("reasons.txt: %s: got no difference with this reason", key)
		}
	}
}

// reasons are those of testdata/reasons.txt: KEY | WHO IS RIGHT | SECTION | WHY.
// The values are as tables have them behind a key.
func reasons(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("testdata/reasons.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		cells := strings.Split(line, " | ")
		if len(cells) != 4 || !slices.Contains([]string{"ours", "theirs", "both"}, cells[1]) {
			t.Fatalf("reasons.txt: got %s, want KEY | ours, theirs or both | SECTION | WHY", line)
		}
		all[cells[0]] = fmt.Sprintf(" (%s, %s)", cells[1], cells[2])
	}
	return all
}

// reasonsIn are the keys of the reasons in a table.
func reasonsIn(t *testing.T, table string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(table)
	if err != nil && !*update {
		t.Fatal(err)
	}
	all, name := map[string]string{}, ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if key, ok := strings.CutPrefix(line, "  reason    "); ok {
			all[name], _, _ = strings.Cut(key, " (")
		} else if !strings.HasPrefix(line, "  ") {
			name = line
		}
	}
	return all
}

// golden compares rows with those of a file, and tells each that is in one only.
func golden(t *testing.T, file, head string, rows []string, between string) {
	t.Helper()
	text := head + strings.Join(rows, between) + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(data) == text {
		return
	}
	was := strings.Split(strings.TrimSuffix(strings.TrimPrefix(string(data), head), "\n"), between)
	for _, row := range rows {
		if !slices.Contains(was, row) {
			t.Errorf("%s: not in the table:\n%s", file, row)
		}
	}
	for _, row := range was {
		if !slices.Contains(rows, row) {
			t.Errorf("%s: no longer so:\n%s", file, row)
		}
	}
	if !t.Failed() {
		t.Errorf("%s: want the rows in order, as -update writes them", file)
	}
}
