package value

// Type documents a value that scripts are given.
type Type struct {
	// Name is what handlers call it: "req".
	Name, Doc string
	Attrs     []Attr
}

// Attr is a field or a method of a value.
type Attr struct {
	Name string
	// Method says that it is called; Params is its parameter list.
	Method bool
	Params string
	Doc    string
}

// Types is the list of values with fields of their own, in the order in which
// the reference shows them.
func Types() []Type {
	return []Type{requestType(), partType(), responseType(), outType(), socketType(), messageType(), matchType(), cellType()}
}

// AttrNames are the names of the fields and methods.
func (t Type) AttrNames() []string {
	names := make([]string, len(t.Attrs))
	for i, a := range t.Attrs {
		names[i] = a.Name
	}
	return names
}

// Field documents a field.
func Field(name, doc string) Attr { return Attr{Name: name, Doc: doc} }

func requestType() Type {
	return Type{Name: "req", Doc: "The request that a handler answers.", Attrs: []Attr{
		Field("method", "GET, POST and so on."),
		Field("url", "The full URL; the port is left out when it is the scheme's own."),
		Field("scheme", "http or https."),
		Field("host", "The server's name or address, without port."),
		Field("port", "The server's port, an int."),
		Field("path", "The path as sent, without the query."),
		Field("segments", "The parts of the path between slashes, a list."),
		Field("query", "The first value of each name in the query, a dict."),
		{"query_all", true, "name", "All values of a name in the query, a list."},
		Field("params", "What the {name} segments of the endpoint's key matched, a dict."),
		Field("headers", "The header: headers[name] and headers.get(name) ignore case, headers.all(name) lists all values."),
		Field("cookies", "The first value of each cookie, a dict."),
		{"cookies_all", true, "name", "All values of the cookies of a name, a list."},
		Field("body", "The body as sent, in bytes."),
		Field("text", "The body as text, its content encoding undone: in the charset of its type, of a byte order mark, in UTF-8, or in Latin-1."),
		Field("parts", "The parts of a multipart body, a list; empty for other bodies."),
		Field("client", "The address and port of the client."),
		Field("time", "When the request came, a time."),
		Field("http_version", "1.0, 1.1 or 2.0."),
		Field("id", "The number of the exchange, as captures show it."),
		{"header", true, `name, default=""`, "The first value of a header, or default."},
		{"json", true, "path=None, default=None", "The JSON body, or what stands at a path of it (\"user.tags.0\", \"tags.-1\", \"tags[-1].id\"); default when there is none."},
		{"form", true, "", "The first value of each field of a form, a dict."},
		{"form_all", true, "name", "All values of a field of a form, a list."},
	}}
}

func responseType() Type {
	return Type{Name: "res", Doc: "An answer: what response() makes, what forward() got from the real server, what hooks are given.", Attrs: []Attr{
		Field("status", "The status code; it can be set."),
		Field("headers", "The header: headers[name] ignores case; headers[name] = value replaces, None removes."),
		Field("body", "The body in bytes, its content encoding undone; it can be set, to a dict or list for JSON."),
		Field("text", "The body as text; it can be set."),
		{"json", true, "path=None, default=None", "The JSON body, or what stands at a path of it; default when there is none."},
	}}
}

func outType() Type {
	return Type{Name: "out", Doc: "What a stream function writes to.", Attrs: []Attr{
		{"write", true, "data", "Sends text or bytes to the client at once; an error when it has left."},
		Field("closed", "Whether the client has left."),
		Field("sent", "How many bytes have been sent."),
		Field("request", "The request that is answered."),
	}}
}

func socketType() Type {
	return Type{Name: "ws", Doc: "A WebSocket, which a WEBSOCKET endpoint is given. for msg in ws goes through its messages: all that came before the client left; then the loop ends, and the function has 30 s to come to its end.", Attrs: []Attr{
		{"send", true, "x", "Sends text as a text message, bytes as a binary one, and anything else as JSON text. To a client that has left nothing is sent; the function ends quietly where it sends without having more to read."},
		{"recv", true, "timeout=None", "The next message; None when there will be none, or none came in time (\"250ms\", or seconds)."},
		{"close", true, `code=1000, reason=""`, "Says goodbye and closes; the end of the function does, too."},
		Field("closed", "Whether either side has closed, and all that came before has been read."),
		Field("protocol", "The subprotocol that was agreed: the first that the client offered."),
		Field("request", "The request that opened it."),
	}}
}

func messageType() Type {
	return Type{Name: "msg", Doc: "What a client sent over a WebSocket.", Attrs: []Attr{
		Field("text", "The message as text."),
		Field("bytes", "The message in bytes."),
		Field("binary", "Whether it is a binary message."),
		{"json", true, "path=None, default=None", "The message as JSON, or what stands at a path of it; default when there is none."},
	}}
}

func matchType() Type {
	return Type{Name: "match", Doc: "What re.search, re.match and re.fullmatch found.", Attrs: []Attr{
		Field("text", "What the pattern matched."),
		Field("start", "Where the match begins, in bytes."),
		Field("end", "Where it ends."),
		Field("groups", "What the groups matched, a tuple; None for one that took no part."),
		Field("named", "What the named groups matched, a dict."),
	}}
}

func cellType() Type {
	return Type{Name: "cell", Doc: "A mutable value, made by cell(initial).", Attrs: []Attr{
		{"get", true, "", "The value; a list or dict is frozen: update changes it."},
		{"set", true, "value", "Replaces the value."},
		{"incr", true, "by=1", "Adds to the value, atomically, and returns the sum."},
		{"update", true, "fn", "Replaces the value by fn(value), atomically, and returns it; fn gets a copy that it may change, must return the new value and may run more than once."},
	}}
}
