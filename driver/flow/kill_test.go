package flow

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"starproxy/driver/capture"
)

// recordUntilKilled is the process of TestRecordingSurvivesAKill: it records
// exchanges and WebSockets from several goroutines, and says of each when it is
// recorded, as a device would have its answer.
func recordUntilKilled(dir string) {
	r, err := Record(dir, time.Now(), slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	fmt.Println("file", r.Path())
	large := bytes.Repeat([]byte("0123456789abcdef"), 8<<10)
	for worker := range uint64(4) {
		go func() {
			for n := 0; ; n++ {
				e := captured(n)
				e.Target = fmt.Sprintf("/http/%d/%d", worker, n)
				e.ResponseBody = capture.Blob{Size: int64(len(large)), Data: large}
				r.Exchange(e)
				fmt.Println("http", e.Target)
			}
		}()
		go func() {
			for seq := worker + 1; ; seq += 4 {
				for n := range 200 {
					r.Message(shaken(seq), said(seq, strconv.Itoa(n), n%2 == 0))
					fmt.Println("said", seq, n)
				}
				if seq%8 < 4 {
					r.SocketEnd(ended(seq))
				}
			}
		}()
	}
	select {}
}

// All that was recorded before a process was killed is in its file: for us as
// it was, for mitmproxy in parts.
func TestRecordingSurvivesAKill(t *testing.T) {
	if dir := os.Getenv("STARPROXY_TEST_RECORD"); dir != "" {
		recordUntilKilled(dir)
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestRecordingSurvivesAKill$")
	cmd.Env = append(os.Environ(), "STARPROXY_TEST_RECORD="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	var file string
	exchanges, messages := map[string]bool{}, map[uint64]int{}
	lines := bufio.NewScanner(out)
	said := 0
	for lines.Scan() {
		switch words := strings.Fields(lines.Text()); words[0] {
		case "file":
			file = words[1]
		case "http":
			exchanges[words[1]] = true
		case "said":
			seq, _ := strconv.ParseUint(words[1], 10, 64)
			n, _ := strconv.Atoi(words[2])
			messages[seq] = max(messages[seq], n+1)
			said++
		}
		if said == 3000 {
			cmd.Process.Kill() // and what was said before that is read on
		}
	}
	if file == "" || said < 3000 {
		t.Fatalf("%q, %d messages", file, said)
	}
	f, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	torn := 0
	for fl, err := range f.Flows() {
		switch {
		case err != nil:
			torn++
		case fl.WebSocket == nil:
			delete(exchanges, fl.Request.Path)
		default:
			seq, _ := strconv.ParseUint(fl.Request.Path[1:], 10, 64)
			for n, m := range fl.WebSocket.Messages {
				if string(m.Data) != strconv.Itoa(n) {
					t.Fatalf("socket %d: message %d is %s", seq, n, m.Data)
				}
			}
			if again, err := f.FlowAt(fl.Offset); err != nil || texts(again) != texts(fl) {
				t.Fatalf("socket %d: %v", seq, err)
			}
			if len(fl.WebSocket.Messages) >= messages[seq] {
				delete(messages, seq)
			}
		}
	}
	if torn > 1 || len(exchanges) > 0 || len(messages) > 0 {
		t.Errorf("%d records are torn, %d exchanges and %d sockets are not whole: %v", torn, len(exchanges), len(messages), messages)
	}
	if n, _, err := Convert(file, file+".har"); err != nil || n == 0 {
		t.Errorf("%d, %v", n, err)
	}
}

// mitmproxy reads the file of a process that was killed.
func TestMitmproxyReadsParts(t *testing.T) {
	t.Parallel()
	python := python(t)
	r, _ := recording(t)
	for n := range 5 {
		r.Message(shaken(1), said(1, strconv.Itoa(n), true))
		r.Exchange(captured(n))
	}
	cmd := exec.Command(python, "-c", `
import sys, json
from mitmproxy.io import FlowReader
print(json.dumps([m.content.decode() for f in FlowReader(open(sys.argv[1],"rb")).stream() if f.websocket for m in f.websocket.messages]))`, r.Path())
	out, err := cmd.Output()
	var got []string
	if err != nil || json.Unmarshal(out, &got) != nil || strings.Join(got, "") != "01234" {
		t.Errorf("%v: %s", err, out)
	}
}
