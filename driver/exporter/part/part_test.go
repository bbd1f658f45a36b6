package part

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hostVariable makes this test binary a host that behaves as its value says.
const hostVariable = "STARPROXY_TEST_HOST"

func TestMain(m *testing.M) {
	if how := os.Getenv(hostVariable); how != "" {
		hostMain(how)
		return
	}
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", "8") // these tests wait more than they compute
	}
	os.Exit(m.Run())
}

// orphanGrace is how long a host of these tests may take to end.
const orphanGrace = time.Second

// hostMain is a host whose sessions are names only.
func hostMain(how string) {
	switch how {
	case "mute":
		time.Sleep(time.Hour)
	case "broken":
		fmt.Fprintln(os.Stderr, "no module named x")
		os.Exit(3)
	case "chatty":
		fmt.Println("hello\n{}\n[1]\n" + strings.Repeat("x", 3*maxLine))
	}
	opened, slow := 0, false
	err := serve(os.Stdin, os.Stdout, func(c Command) (any, error) {
		switch c.Do {
		case "open":
			if string(c.Session) == `"refuse"` {
				return nil, errors.New("no such driver")
			}
			if string(c.Session) == `"hang"` {
				time.Sleep(time.Hour)
			}
			opened++
			slow = string(c.Session) == `"slow"`
			return fmt.Sprintf("socket %d of %s", opened, c.Session), nil
		case "close":
			if slow {
				time.Sleep(time.Hour)
			}
		case "records": // and an end before anybody could ask for them
			for i := range 5000 {
				if err := WriteRecord(os.Stderr, fmt.Appendf(nil, "%d", i)); err != nil {
					return nil, err
				}
			}
			fmt.Fprintln(os.Stderr, "enough")
			os.Exit(4)
		case "die":
			fmt.Fprintln(os.Stderr, "fatal error: out of memory\n\nstack:\n\tmain.go:1")
			os.Exit(2)
		case "hang":
			time.Sleep(time.Hour)
		case "child": // a process that holds the pipes
			return nil, exec.Command("sleep", "1000").Start()
		}
		return nil, nil
	}, orphanGrace)
	if err != nil {
		os.Exit(1)
	}
}

func newPart(t *testing.T, how string, patience time.Duration) *Part {
	t.Helper()
	p := New(Program{Name: "the host", Patience: patience, Log: slog.New(slog.DiscardHandler), Command: func() (*exec.Cmd, error) {
		self, err := os.Executable()
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), hostVariable+"="+how)
		return cmd, err
	}})
	t.Cleanup(p.Close)
	return p
}

func open(t *testing.T, p *Part, what string) *Session {
	t.Helper()
	s, err := p.Open(t.Context(), what, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSessions has one process serve two sessions, and a new one after a crash.
func TestSessions(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"good", "chatty"} {
		p := newPart(t, how, 0)
		first := open(t, p, "a")
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		second := open(t, p, "b")
		if first.Socket != `socket 1 of "a"` || second.Socket != `socket 2 of "b"` || first.PID() != second.PID() {
			t.Errorf("%s: sockets %q and %q, processes %d and %d", how, first.Socket, second.Socket, first.PID(), second.PID())
		}
		if err := second.Tell(t.Context(), "die", nil); err == nil || !strings.Contains(err.Error(), "exit status 2: fatal error: out of memory") {
			t.Errorf("%s: a crash: %v", how, err)
		}
		<-second.Dead()
		if err := second.Reason(); err == nil || err.Error() != "the host has died: it ended with exit status 2: fatal error: out of memory" {
			t.Errorf("%s: reason %v", how, err)
		}
		third := open(t, p, "c")
		if third.Socket != `socket 1 of "c"` || third.PID() == second.PID() {
			t.Errorf("%s: after the crash: %q", how, third.Socket)
		}
	}
}

// TestRefused checks what a host says no to, and hosts that do not start.
func TestRefused(t *testing.T) {
	t.Parallel()
	p := newPart(t, "good", 0)
	var refused *Refusal
	if _, err := p.Open(t.Context(), "refuse", nil); !errors.As(err, &refused) || err.Error() != "the host: no such driver" {
		t.Errorf("refused: %v", err)
	}
	open(t, p, "a") // it goes on
	begun := time.Now()
	if _, err := newPart(t, "broken", 0).Open(t.Context(), "a", nil); err == nil || err.Error() != "the host: it ended with exit status 3: no module named x" {
		t.Errorf("broken: %v", err)
	}
	if took := time.Since(begun); took > 900*time.Millisecond {
		t.Errorf("broken: it took %v, want no wait for the pipes", took)
	}
	missing := New(Program{Name: "the host", Command: func() (*exec.Cmd, error) { return exec.Command("/no/such/program"), nil }})
	if _, err := missing.Open(t.Context(), "a", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	p.Close()
	if _, err := p.Open(t.Context(), "a", nil); err == nil {
		t.Error("a closed part opened a session")
	}
}

// TestHangs checks that hosts which do not answer are killed.
func TestHangs(t *testing.T) {
	t.Parallel()
	const short = 200 * time.Millisecond
	if _, err := newPart(t, "mute", short).Open(t.Context(), "a", nil); err == nil || !strings.Contains(err.Error(), "it did not answer within 200ms and was killed") {
		t.Errorf("mute: %v", err)
	}
	slow := newPart(t, "good", 2*time.Second)
	if err := open(t, slow, "slow").Close(); err == nil || err.Error() != "the host: close the session: it did not answer within 2s and was killed" {
		t.Errorf("slow: %v", err)
	}
	open(t, slow, "a") // by another process
	p := newPart(t, "good", time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), short)
	defer cancel()
	if _, err := p.Open(ctx, "hang", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hang: %v", err)
	}
	s := open(t, p, "a")
	if err := s.Tell(t.Context(), "child", nil); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	p.Close()
	if took := time.Since(begun); took > stopGrace {
		t.Errorf("a host with a child took %v to end", took)
	}
}

// TestCloseWhileBusy checks that a part whose host does not answer closes at once.
func TestCloseWhileBusy(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"mute", "good"} {
		p := newPart(t, how, time.Minute)
		opened := make(chan error, 1)
		go func() {
			_, err := p.Open(t.Context(), "hang", nil)
			opened <- err
		}()
		for p.mu.TryLock() { // until Open waits
			p.mu.Unlock()
			time.Sleep(time.Millisecond)
		}
		begun := time.Now()
		p.Close()
		if took := time.Since(begun); took > 2*stopGrace {
			t.Errorf("%s: closed after %v", how, took)
		}
		if err := <-opened; !errors.Is(err, errClosed) {
			t.Errorf("%s: opened: %v", how, err)
		}
	}
}

// TestCloseBehindCommand checks that a session whose host does not answer a
// command does not wait for that when it closes.
func TestCloseBehindCommand(t *testing.T) {
	t.Parallel()
	p := newPart(t, "good", time.Minute)
	p.program.ClosePatience = 500 * time.Millisecond
	s := open(t, p, "a")
	told := make(chan error, 1)
	go func() { told <- s.Tell(context.Background(), "hang", nil) }()
	for len(s.host.calling) == 0 {
		time.Sleep(time.Millisecond)
	}
	begun := time.Now()
	const want = "it did not answer within 500ms and was killed"
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("closed: %v", err)
	}
	if took := time.Since(begun); took > 2*closePatience {
		t.Errorf("closed after %v", took)
	}
	if err := <-told; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the command: %v", err)
	}
}

// TestOrphan checks that a host whose exporter is gone ends, although it hangs.
func TestOrphan(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), hostVariable+"=good")
	cmd.Stdin = strings.NewReader(`{"id": 1, "do": "open", "session": "hang"}`)
	begun := time.Now()
	if err := cmd.Run(); err == nil {
		t.Error("it ended well")
	}
	if took := time.Since(begun); took < orphanGrace || took > 10*orphanGrace {
		t.Errorf("it ended after %v", took)
	}
}

// TestRecords checks that no record is lost when the host dies.
func TestRecords(t *testing.T) {
	t.Parallel()
	var got []string
	p := newPart(t, "good", 0)
	p.program.Record = func(json []byte) { got = append(got, strings.TrimSpace(string(json))) }
	s := open(t, p, "a")
	if err := s.Tell(t.Context(), "records", nil); err == nil || !strings.Contains(err.Error(), "exit status 4: enough") {
		t.Errorf("the end: %v", err)
	}
	<-s.Dead()
	if len(got) != 5000 || got[4999] != "4999" {
		t.Errorf("%d records", len(got))
	}
	if err := WriteRecord(io.Discard, make([]byte, MaxRecord+1)); err == nil {
		t.Error("a record that is too long was written")
	}
}
