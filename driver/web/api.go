package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"starproxy/driver/rpc"
)

// api lets a page call methods, each by its name in the path of the request.
type api struct{ methods *rpc.Table }

// handle adds the calls to mux, below a path that ends with a slash.
func (a api) handle(mux *http.ServeMux, below string) {
	mux.HandleFunc("POST "+below+"api/call/{name}", a.call)
	mux.HandleFunc("GET "+below+"api/stream/{name}", a.stream)
	mux.HandleFunc("GET "+below+"api/file/{name}", a.file)
}

// call calls a method.
func (a api) call(w http.ResponseWriter, r *http.Request) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "expected Content-Type application/json")
		return
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCall))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, err.Error())
		return
	}
	args, err := arguments(string(data))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	result, err := a.methods.Value(context.WithValue(r.Context(), callKey{}, true), r.PathValue("name"), args)
	if err != nil {
		failed(w, err)
		return
	}
	text, err := rpc.JSON(map[string]any{"result": result})
	if err != nil {
		failed(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, text)
}

// arguments reads a JSON array; empty text has none.
func arguments(text string) ([]any, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var args []any
	if err := json.Unmarshal([]byte(text), &args); err != nil {
		return nil, errors.New("arguments: expected a JSON array")
	}
	return args, nil
}

// stream sends what a method streams, as server-sent events.
func (a api) stream(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	args, err := arguments(r.URL.Query().Get("args"))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if last, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64); err == nil {
		args = a.resume(name, args, last)
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	seq, err := a.methods.Values(context.WithValue(ctx, callKey{}, true), name, args)
	if err != nil {
		failed(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	out := newEvents(w)
	defer out.close()
	for item, err := range seq {
		if err != nil {
			return
		}
		if out.send(item) != nil {
			return
		}
	}
	out.end()
}

// resume sets the argument "after" of a method that has such a parameter.
func (a api) resume(name string, args []any, after uint64) []any {
	info, _ := a.methods.Method(name)
	at := slices.IndexFunc(info.Params, func(p rpc.Param) bool { return p.Name == "after" })
	if at < 0 {
		return args
	}
	args = slices.Clone(args)
	for i := len(args); i <= at; i++ {
		args = append(args, info.Params[i].Default)
	}
	args[at] = float64(after)
	return args
}

// file downloads the bytes that a method streams.
func (a api) file(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	args, err := arguments(q.Get("args"))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	seq, err := a.methods.Values(r.Context(), r.PathValue("name"), args)
	if err != nil {
		failed(w, err)
		return
	}
	h := w.Header()
	begun := false
	for item, err := range seq {
		data, ok := item.([]byte)
		if err == nil && !ok {
			err = rpc.Refuse(rpc.InvalidArgument, "%s streams no file", r.PathValue("name"))
		}
		if err != nil {
			if !begun {
				failed(w, err)
				return
			}
			panic(http.ErrAbortHandler) // else the browser takes the part for the whole
		}
		if !begun {
			begun = true
			h.Set("Content-Type", "application/octet-stream")
			h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(q.Get("as"))}))
		}
		if _, err := w.Write(data); err != nil {
			return
		}
	}
}
