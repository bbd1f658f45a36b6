package builtins

import (
	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/value"
)

func templateModule() Module {
	return Module{
		Doc: "The request in template expressions; scripts use req instead. A function without " +
			"arguments needs no parentheses, and an unquoted word is a text: " +
			"{{request_header(User-Agent)}}.",
		Scope: Templates,
		Funcs: []Func{
			{"request_path", "", "Path and query as sent.", `request_path()  # => "/api/items/7?page=2"`, requestPath},
			{"request_body", "", "The body as text.", `request_body()  # => '{"user": {"name": "ada"}, "tags": ["x"]}'`, requestBody},
			{
				"request_header", `name, default=""`,
				"The first value of a header, or default.",
				`request_header("x-device")  # => "d1"`,
				named(headerOf),
			},
			{
				"request_body_json", `path="", default=None`,
				"The value at a path of the JSON body, or default: keys and indexes with dots between, -1 " +
					`for the last element, "tags[0]" too. A key with dots is written as it is.`,
				"request_body_json(\"user.name\")  # => \"ada\"\n" +
					"request_body_json(\"tags.0\")  # => \"x\"\n" +
					"request_body_json(\"tags.-1\")  # => \"x\"\n" +
					`request_body_json("nothing")  # => None`,
				requestBodyJSON,
			},
			{
				"request_query", `name, default=""`,
				"The first value of a query parameter, or default.",
				`request_query("page")  # => "2"`,
				named(queryOf),
			},
			{
				"request_query_all", "name",
				"All values of a query parameter, a list.",
				`request_query_all("page")  # => ["2"]`,
				requestQueryAll,
			},
			{
				"request_path_segment", "index",
				`A part of the path between slashes, counted from 0, or from -1 at the end; "" when there is ` +
					"none.",
				"request_path_segment(1)  # => \"items\"\n" +
					`request_path_segment(-1)  # => "7"`,
				requestPathSegment,
			},
			{
				"request_param", `name, default=""`,
				"The text that a {name} segment of the endpoint's path matched, or default.",
				`request_param("id")  # => "7"`,
				named(paramOf),
			},
		},
	}
}

func requestPath(c *call.Call, a call.Args) (starlark.Value, error) {
	if err := a.Unpack(); err != nil {
		return nil, err
	}
	r, err := value.CurrentRequest(c, a.Func)
	if err != nil {
		return nil, err
	}
	return starlark.String(r.Exchange().Request.Target), nil
}

func requestBody(c *call.Call, a call.Args) (starlark.Value, error) {
	if err := a.Unpack(); err != nil {
		return nil, err
	}
	r, err := value.CurrentRequest(c, a.Func)
	if err != nil {
		return nil, err
	}
	s, err := r.Text()
	return starlark.String(s), err
}

func requestBodyJSON(c *call.Call, a call.Args) (starlark.Value, error) {
	path := ""
	var def starlark.Value = starlark.None
	if err := a.Unpack("path?", &path, "default?", &def); err != nil {
		return nil, err
	}
	r, err := value.CurrentRequest(c, a.Func)
	if err != nil {
		return nil, err
	}
	v, err := r.JSON(path)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return def, nil
	}
	return v, nil
}

func requestPathSegment(c *call.Call, a call.Args) (starlark.Value, error) {
	var index int
	if err := a.Unpack("index", &index); err != nil {
		return nil, err
	}
	r, err := value.CurrentRequest(c, a.Func)
	if err != nil {
		return nil, err
	}
	parts := value.Segments(r.Exchange().Request.Path())
	if index < 0 {
		index += len(parts)
	}
	if index < 0 || index >= len(parts) {
		return starlark.String(""), nil
	}
	return starlark.String(parts[index]), nil
}

// named makes a function with the parameters name and default. It returns the value
// that look finds in the request.
func named(look func(r *value.Request, name string) (string, bool)) func(*call.Call, call.Args) (starlark.Value, error) {
	return func(c *call.Call, a call.Args) (starlark.Value, error) {
		var name string
		var def starlark.Value = starlark.String("")
		if err := a.Unpack("name", &name, "default?", &def); err != nil {
			return nil, err
		}
		r, err := value.CurrentRequest(c, a.Func)
		if err != nil {
			return nil, err
		}
		if v, ok := look(r, name); ok {
			return starlark.String(v), nil
		}
		return def, nil
	}
}

func headerOf(r *value.Request, name string) (string, bool) {
	return value.HeaderValue(r.Exchange().Request, name)
}

func queryOf(r *value.Request, name string) (string, bool) {
	values := r.Exchange().Request.Query()[name]
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}

func requestQueryAll(c *call.Call, a call.Args) (starlark.Value, error) {
	var name string
	if err := a.Unpack("name", &name); err != nil {
		return nil, err
	}
	r, err := value.CurrentRequest(c, a.Func)
	if err != nil {
		return nil, err
	}
	return value.FromGo(r.Exchange().Request.Query()[name]), nil
}

func paramOf(r *value.Request, name string) (string, bool) {
	v, ok := r.Exchange().Params[name]
	return v, ok
}
