package endpoints

import (
	"cmp"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"starproxy/builtins/disk"
	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/document"
	"starproxy/driver/rpc"
	"starproxy/script"
)

// The bounds of what is told of scripts.
const (
	// maxFailures is how many of the latest exchanges are searched.
	maxFailures = 2000
	// maxNotes is how many notes of a script are told.
	maxNotes = 200
	// maxRepeats is how many different failures of a script are told.
	maxRepeats = 100
)

// The kinds of scripts.
const (
	kindScenario = "scenario"
	kindAddon    = "addon"
	kindLibrary  = "library"
)

// scriptRow is a script as the page lists it.
type scriptRow struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // scenario, addon or library
	File string `json:"file"`
	// Error says why the file is not in force as it is; else it is the last failure.
	Error string `json:"error"`
	// Failures is how many of the latest exchanges failed in it since the file has changed.
	Failed int `json:"failures"`

	fault string    // why the file is not in force
	text  []byte    // of a scenario that a client sent
	sent  time.Time // when it came
}

// tell notes the failures of the script, the last one first.
func (r *scriptRow) tell(all []failure) {
	for _, f := range all {
		r.Failed += f.Times
	}
	if r.Error = r.fault; r.Error == "" && len(all) > 0 {
		r.Error = all[0].Backtrace
	}
}

// failure is an error at a line of a script. Equal failures are told once.
type failure struct {
	Line      int     `json:"line"` // 0 when unknown
	Column    int     `json:"column"`
	Message   string  `json:"message"`
	Backtrace string  `json:"backtrace"`
	Times     int     `json:"times"` // exchanges that failed so; 0 for the error of a load
	Seq       uint64  `json:"seq"`   // of the last of them
	Time      float64 `json:"time"`  // of the last of them, in seconds since 1970
}

// remark is a note of a request that a script has answered.
type remark struct {
	Seq      uint64  `json:"seq"`
	Time     float64 `json:"time"`
	Method   string  `json:"method"`
	Path     string  `json:"path"`
	Endpoint string  `json:"endpoint"`
	Level    string  `json:"level"`
	Text     string  `json:"text"`

	source string // of the endpoint
	at     time.Time
}

// shownScript is a script with its source.
type shownScript struct {
	scriptRow
	Source string    `json:"source"`
	Errors []failure `json:"errors"` // that of the load first, then the newest
	Notes  []remark  `json:"notes"`  // the newest first
}

// scripts returns the scenario in force, its libraries, the addons and their libraries.
func (s *Service) scripts() ([]*scriptRow, error) {
	s.mu.Lock()
	var l loaded
	if s.loaded != nil {
		l = *s.loaded
	}
	files := s.addons.Files()
	s.mu.Unlock()
	var list []*scriptRow
	known := map[string]bool{}
	add := func(r *scriptRow) {
		if r.File != "" && !known[r.File] {
			known[r.File] = true
			list = append(list, r)
		}
	}
	if l.path != "" || l.text != nil {
		r := &scriptRow{Name: kindScenario, Kind: kindScenario, File: cmp.Or(l.source, l.path, l.name), text: l.text, sent: l.sent}
		if l.fault != nil {
			r.fault = l.fault.Error()
		}
		add(r)
	}
	library := func(file string) {
		if strings.EqualFold(filepath.Ext(file), script.Ext) {
			add(&scriptRow{Name: filepath.Base(file), Kind: kindLibrary, File: file})
		}
	}
	faults := s.addons.Faults()
	names, err := addonNames(s.Addons)
	if err != nil {
		return nil, err
	}
	for name := range faults {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, file := range l.files {
		if !slices.ContainsFunc(names, func(name string) bool { return s.addonFile(name) == file }) {
			library(file)
		}
	}
	for _, name := range names {
		add(&scriptRow{Name: name, Kind: kindAddon, File: s.addonFile(name), fault: faults[name]})
	}
	for _, file := range files {
		library(file)
	}
	return list, nil
}

// addonFile returns the path of an addon's script.
func (s *Service) addonFile(name string) string { return filepath.Join(s.Addons, name+script.Ext) }

func (s *Service) listScripts(context.Context) ([]*scriptRow, error) {
	list, err := s.scripts()
	if err != nil {
		return nil, err
	}
	past := s.past()
	for _, r := range list {
		r.tell(past.failures(r.File, r.sent))
	}
	if list == nil {
		list = []*scriptRow{}
	}
	return list, nil
}

func (s *Service) showScript(_ context.Context, file string) (*shownScript, error) {
	list, err := s.scripts()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(r *scriptRow) bool { return r.File == file || r.Name == file })
	if i < 0 {
		return nil, &rpc.Refusal{Code: rpc.NotFound, About: "file", Text: "show_script: no script " + file + " is in force"}
	}
	r := list[i]
	text := r.text
	if text == nil {
		if text, err = s.source(r.File); err != nil && r.fault == "" {
			return nil, rpc.Refuse(rpc.Unavailable, "show_script: %v", err)
		}
	}
	past := s.past()
	found := past.failures(r.File, r.sent)
	r.tell(found)
	out := &shownScript{scriptRow: *r, Source: strings.ToValidUTF8(string(text), string(utf8.RuneError)), Errors: found,
		Notes: past.remarks(s.answered(r))}
	if r.fault != "" {
		out.Errors = append([]failure{placed(r.fault, r.File)}, found...)
	}
	return out, nil
}

// source reads a script that is in force.
func (s *Service) source(file string) ([]byte, error) {
	f, info, err := disk.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if s.Access.Secret(info) {
		return nil, &fs.PathError{Op: "open", Path: file, Err: fs.ErrPermission}
	}
	return disk.ReadAll(f, info, document.MaxBytes)
}

// answered returns a function that reports whether a script has answered an exchange, by
// the endpoint and its source as the journal has them.
func (s *Service) answered(r *scriptRow) func(endpoint, source string) bool {
	switch r.Kind {
	case kindScenario:
		begin := filepath.Base(r.File) + ":"
		return func(_, source string) bool { return strings.HasPrefix(source, begin) }
	case kindLibrary:
		return func(string, string) bool { return false }
	}
	names := map[string]bool{}
	for _, ep := range s.table.List() {
		if addonOf(ep.Definition, r.Name) {
			names[ep.Name] = true
		}
	}
	return func(endpoint, _ string) bool { return names[endpoint] }
}

// addonOf reports whether a definition, or one of its rules or steps, names an addon.
func addonOf(v any, name string) bool {
	switch v := v.(type) {
	case jsonvalue.Object:
		return slices.ContainsFunc(v, func(m jsonvalue.Member) bool {
			return m.Key == "addon" && m.Value == any(name) || addonOf(m.Value, name)
		})
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return addonOf(e, name) })
	}
	return false
}

// history has the notes of the latest exchanges, the newest first.
type history []remark

// past returns the notes of the latest exchanges.
func (s *Service) past() history {
	var all history
	n := 0
	for e := range s.Journal.Backward(nil) {
		if n++; n > maxFailures {
			break
		}
		for _, note := range e.Notes {
			if note.Level == exchange.Met {
				continue
			}
			at := e.Start.Add(e.Duration)
			all = append(all, remark{Seq: e.Seq, Time: float64(at.UnixMilli()) / 1000, Method: e.Method, Path: e.Target,
				Endpoint: e.Endpoint, Level: note.Level, Text: note.Text, source: e.Source, at: at})
		}
	}
	return all
}

// failures returns the failures in a file since it has changed, and since a time, the last
// one first.
func (h history) failures(file string, changed time.Time) []failure {
	if info, err := os.Stat(file); err == nil && info.ModTime().After(changed) {
		changed = info.ModTime()
	}
	list := []failure{}
	for _, n := range h {
		if n.Level != "error" || !strings.Contains(n.Text, file+":") || !n.at.After(changed) {
			continue
		}
		f := placed(n.Text, file)
		i := slices.IndexFunc(list, func(o failure) bool {
			return o.Line == f.Line && o.Column == f.Column && o.Message == f.Message
		})
		switch {
		case i >= 0:
			list[i].Times++
		case len(list) < maxRepeats:
			f.Times, f.Seq, f.Time = 1, n.Seq, n.Time
			list = append(list, f)
		}
	}
	return list
}

// remarks returns the notes of exchanges that were answered as a function reports.
func (h history) remarks(answered func(endpoint, source string) bool) []remark {
	list := []remark{}
	for _, n := range h {
		if len(list) < maxNotes && answered(n.Endpoint, n.source) {
			list = append(list, n)
		}
	}
	return list
}

// place finds a line and a column after the name of a file.
var place = regexp.MustCompile(`^:(\d+)(?::(\d+))?`)

// placed returns the failure that the text of an error tells, at its innermost place in a
// file.
func placed(text, file string) failure {
	f := failure{Message: text, Backtrace: text}
	for rest := text; ; {
		_, after, found := strings.Cut(rest, file)
		if !found {
			break
		}
		if m := place.FindStringSubmatch(after); m != nil {
			f.Line, _ = strconv.Atoi(m[1])
			f.Column, _ = strconv.Atoi(m[2])
		}
		rest = after
	}
	if i := strings.LastIndex(text, "\n"); i >= 0 && strings.HasPrefix(text, "Traceback") {
		f.Message = text[i+1:]
	}
	if after, ok := strings.CutPrefix(f.Message, file); ok {
		f.Message = strings.TrimPrefix(place.ReplaceAllString(after, ""), ": ")
	}
	return f
}
