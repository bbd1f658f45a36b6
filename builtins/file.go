package builtins

import (
	"context"
	"fmt"
	"net/http"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
)

func fileModule() Module {
	return Module{
		Doc: "The files directory, for handlers that read a file instead of sending it as it is.",
		Funcs: []Func{
			{
				"read_file", "path, default=None",
				"The content of a file in the files directory, in bytes. If there is no such file, it returns " +
					"default; without a default that is an error. To send a file as it is, use " +
					"response(file = path), which reads it piece by piece.",
				"read_file(\"no-such.jpg\", default=None)  # => None\n" +
					`read_file("no-such.jpg", default=b"")  # => b""`,
				callReadFile,
			},
		},
	}
}

func callReadFile(c *call.Call, a call.Args) (starlark.Value, error) {
	var name string
	var def starlark.Value
	if err := a.Unpack("path", &name, "default?", &def); err != nil {
		return nil, err
	}
	missing := func() (starlark.Value, error) {
		if def != nil {
			return def, nil
		}
		where := "there are no files here"
		if dir := c.Settings().FilesDir; dir != "" {
			where = "no such file in " + dir
		}
		err := fmt.Errorf("read_file: %q: %s (read_file(path, default=None) gives None)", name, where)
		return nil, exchange.Naming(err, c.Settings().FilesDir)
	}
	open := c.Settings().File
	if open == nil {
		return missing()
	}
	// The handler of a mock's file checks which files may be read. It gets a request
	// without conditions, so that it returns the whole file.
	x := &exchange.Exchange{Request: &exchange.Request{Method: http.MethodGet, Scheme: "http", Target: "/"}}
	res, err := open(name, http.StatusOK, nil, "", 0).Respond(c.Context, x)
	if err != nil {
		return nil, fmt.Errorf("read_file: %w", err)
	}
	if res.Status != http.StatusOK {
		if closer, ok := res.Body.(interface{ Close() error }); ok {
			closer.Close()
		}
		return missing()
	}
	if res.Body == nil {
		return starlark.Bytes(""), nil
	}
	c.Waits()
	defer c.Waited()
	data, rest, err := exchange.ReadBody(context.WithoutCancel(c.Context), res.Body, int64(c.Env.MaxBody))
	if rest != nil {
		if closer, ok := rest.(interface{ Close() error }); ok {
			closer.Close()
		}
		return nil, fmt.Errorf("read_file: %s is larger than %d bytes (scripts.max_body)", name, c.Env.MaxBody)
	}
	if err != nil {
		return nil, fmt.Errorf("read_file: %w", err)
	}
	return starlark.Bytes(data), nil
}
