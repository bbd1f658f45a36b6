package web

import (
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"starproxy/builtins/disk"
	"starproxy/driver/rpc"
	"starproxy/driver/view"
)

const (
	// maxOpened is how many files are open at one time.
	maxOpened = 4
	// maxFile is the size of the largest file, in bytes.
	maxFile = 256 << 20
	// openedBytes is how much memory the exchanges of a file may take.
	openedBytes = 64 << 20
	// openIdle is how long a file stays open that nobody looks at.
	openIdle = time.Hour
	// openLeft is how long a file stays open after its page was left: a page that is
	// loaded again comes back within it.
	openLeft = 10 * time.Second
)

// opened are the files of sessions that people look at beside the traffic of the proxy. Each
// one has the page at an address of its own, and nothing on it changes anything.
type opened struct {
	log     *slog.Logger
	reading sync.Mutex    // one file is read at a time
	left    time.Duration // openLeft, unless a test has no time

	mu     sync.Mutex
	files  map[string]*openedFile
	closed bool
}

// openedFile is one such file. Its lock is that of opened.
type openedFile struct {
	mux     *http.ServeMux
	release func()
	active  int // requests that are being answered
	used    time.Time
	left    bool // its page was left, and has not come back
	gone    bool // it is released after the last request
	timer   *time.Timer
}

func newOpened(log *slog.Logger) *opened {
	return &opened{log: log, left: openLeft, files: map[string]*openedFile{}}
}

// openedReply tells where a file is shown.
type openedReply struct {
	Address   string `json:"address"` // relative to that of the page
	Exchanges int    `json:"exchanges"`
	Unread    int    `json:"unread"` // records that can't be read
}

// upload opens the file in the body of a request. Its parameter "as" is the name of the file.
func (o *opened) upload(w http.ResponseWriter, r *http.Request) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/octet-stream" {
		refuse(w, http.StatusUnsupportedMediaType, "expected Content-Type application/octet-stream")
		return
	}
	if !o.reading.TryLock() {
		refuse(w, http.StatusConflict, "another file is being opened")
		return
	}
	defer o.reading.Unlock()
	reply, err := o.read(http.MaxBytesReader(w, r.Body, maxFile), r.URL.Query().Get("as"))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		refuse(w, http.StatusRequestEntityTooLarge,
			"the file is too large: at most 256 MiB can be opened here, starproxy view opens larger ones")
	case err != nil:
		failed(w, err)
	default:
		text, _ := rpc.JSON(map[string]any{"result": reply}) // can always be written
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, text)
	}
}

// read keeps a file on disk for as long as it is open, and reads its exchanges.
func (o *opened) read(body io.Reader, name string) (*openedReply, error) {
	if err := o.room(); err != nil {
		return nil, err
	}
	dir, err := disk.MakePrivate(os.TempDir(), "starproxy-opened-")
	if err != nil {
		return nil, err
	}
	to := filepath.Join(dir.Path, fileName(name))
	s, closeSession, err := receive(body, to)
	if err != nil {
		dir.Remove()
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, err
		}
		return nil, rpc.Refuse(rpc.InvalidArgument, "%s", strings.ReplaceAll(err.Error(), dir.Path+string(filepath.Separator), ""))
	}
	id := strings.ToLower(rand.Text())
	f := &openedFile{mux: http.NewServeMux(), used: time.Now(), release: func() {
		closeSession()
		dir.Remove()
	}}
	api{s.Table(o.log)}.handle(f.mux, "/")
	reply := &openedReply{"opened/" + id + "/", s.Journal.Stats().Entries, s.Unread}
	if !o.add(id, f) {
		return nil, rpc.Refuse(rpc.Unavailable, "the page was closed")
	}
	return reply, nil
}

// receive writes a file and opens it.
func receive(body io.Reader, to string) (*view.Session, func(), error) {
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, err
	}
	_, err = io.Copy(out, body)
	if err = errors.Join(err, out.Close()); err != nil {
		return nil, nil, err
	}
	s, done, err := view.OpenSession(to, openedBytes)
	if err == nil && s.Unread > 0 && s.Journal.Stats().Entries == 0 {
		err = errors.New(s.Faults[0])
		done()
	}
	return s, done, err
}

// maxFileName is the length of the longest name of a file, in characters. The end is kept.
const maxFileName = 60

// fileName returns a name that a file may have here, like the one that it had.
func fileName(name string) string {
	all := []rune(path.Base(strings.ReplaceAll(strings.ToValidUTF8(name, ""), `\`, "/")))
	all = slices.DeleteFunc(all, func(r rune) bool { return r == '/' || r == ':' || !unicode.IsPrint(r) })
	name = string(all[max(len(all)-maxFileName, 0):])
	if strings.Trim(name, ".") == "" {
		return "session"
	}
	return name
}

// room makes room for one more file: of those that nobody looks at, the one that was used
// least recently is closed.
func (o *opened) room() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.files) < maxOpened {
		return nil
	}
	oldest := ""
	for id, f := range o.files {
		if f.active == 0 && (oldest == "" || f.used.Before(o.files[oldest].used)) {
			oldest = id
		}
	}
	if oldest == "" {
		return rpc.Refuse(rpc.FailedPrecondition, "%d files are open, which is the most: close the tab of one", maxOpened)
	}
	o.drop(oldest)
	return nil
}

// add begins to serve a file. It reports false when the server is closed.
func (o *opened) add(id string, f *openedFile) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		f.release()
		return false
	}
	f.timer = time.AfterFunc(openIdle, func() { o.expire(id) })
	o.files[id] = f
	return true
}

// drop closes a file after the requests that are being answered. The lock is held.
func (o *opened) drop(id string) {
	f := o.files[id]
	f.timer.Stop()
	delete(o.files, id)
	if f.gone = true; f.active == 0 {
		f.release()
	}
}

// expire closes a file that nobody looks at.
func (o *opened) expire(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if f := o.files[id]; f != nil && f.active == 0 {
		o.drop(id)
	}
}

// begin counts a request for a file; ok is false when it is not open. leaves says that the
// request tells that the page is left.
func (o *opened) begin(id string, leaves bool) (f *openedFile, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if f, ok = o.files[id]; ok {
		f.active++
		f.left = leaves
		f.timer.Stop()
	}
	return f, ok
}

// end ends a request, after which the file stays open for a while.
func (o *opened) end(f *openedFile) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f.active--
	f.used = time.Now()
	switch {
	case f.active > 0:
	case f.gone:
		f.release()
	case f.left:
		f.timer.Reset(o.left)
	default:
		f.timer.Reset(openIdle)
	}
}

// serve answers a request for a file: its page, a call, or the notice that the page is left.
func (o *opened) serve(w http.ResponseWriter, r *http.Request, page http.HandlerFunc) {
	rest := "/" + r.PathValue("rest")
	leaves := rest == "/api/leave" && r.Method == http.MethodPost
	f, ok := o.begin(r.PathValue("id"), leaves)
	if !ok {
		refuse(w, http.StatusNotFound, "the file is not open any more: open it again")
		return
	}
	defer o.end(f)
	r = r.Clone(r.Context())
	r.URL.Path, r.URL.RawPath = rest, ""
	switch {
	case leaves:
	case rest == "/" && r.Method == http.MethodGet:
		page(w, r)
	default:
		f.mux.ServeHTTP(w, r)
	}
}

// close closes all files. Those that are being read are closed afterwards.
func (o *opened) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for id := range o.files {
		o.drop(id)
	}
}
