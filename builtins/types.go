package builtins

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
	return []Type{requestType(), partType(), responseType(), outType(), socketType(), messageType(), matchType(), cellType(), answerType()}
}

// AttrNames are the names of the fields and methods.
func (t Type) AttrNames() []string {
	names := make([]string, len(t.Attrs))
	for i, a := range t.Attrs {
		names[i] = a.Name
	}
	return names
}

// field documents a field.
func field(name, doc string) Attr { return Attr{Name: name, Doc: doc} }

func requestType() Type {
	return Type{Name: "req", Doc: "The request that a handler answers.", Attrs: []Attr{
		field("method", "GET, POST and so on."),
		field("url", "The full URL; the port is left out when it is the scheme's own."),
		field("scheme", "http or https."),
		field("host", "The server's name or address, without port."),
		field("port", "The server's port, an int."),
		field("path", "The path as sent, without the query."),
		field("segments", "The parts of the path between slashes, a list."),
		field("query", "The first value of each name in the query, a dict."),
		{"query_all", true, "name", "All values of a name in the query, a list."},
		field("params", "What the {name} segments of the endpoint's key matched, a dict."),
		field("headers", "The header: headers[name] and headers.get(name) ignore case, headers.all(name) lists all values."),
		field("cookies", "The first value of each cookie, a dict."),
		{"cookies_all", true, "name", "All values of the cookies of a name, a list."},
		field("body", "The body as sent, in bytes."),
		field("text", "The body as text, its content encoding undone: in the charset of its type, of a byte order mark, in UTF-8, or in Latin-1."),
		field("parts", "The parts of a multipart body, a list; empty for other bodies."),
		field("client", "The address and port of the client."),
		field("time", "When the request came, a time."),
		field("http_version", "1.0, 1.1 or 2.0."),
		field("id", "The number of the exchange, as captures show it."),
		{"header", true, `name, default=""`, "The first value of a header, or default."},
		{"json", true, "path=None, default=None", "The JSON body, or what stands at a path of it (\"user.tags.0\", \"tags.-1\", \"tags[-1].id\"); default when there is none."},
		{"form", true, "", "The first value of each field of a form, a dict."},
		{"form_all", true, "name", "All values of a field of a form, a list."},
	}}
}

func responseType() Type {
	return Type{Name: "res", Doc: "An answer: what response() makes, what forward() got from the real server, what hooks are given.", Attrs: []Attr{
		field("status", "The status code; it can be set."),
		field("headers", "The header: headers[name] ignores case; headers[name] = value replaces, None removes."),
		field("body", "The body in bytes, its content encoding undone; it can be set, to a dict or list for JSON."),
		field("text", "The body as text; it can be set."),
		{"json", true, "path=None, default=None", "The JSON body, or what stands at a path of it; default when there is none."},
	}}
}

func outType() Type {
	return Type{Name: "out", Doc: "What a stream function writes to.", Attrs: []Attr{
		{"write", true, "data", "Sends text or bytes to the client at once; an error when it has left."},
		field("closed", "Whether the client has left."),
		field("sent", "How many bytes have been sent."),
		field("request", "The request that is answered."),
	}}
}

func socketType() Type {
	return Type{Name: "ws", Doc: "A WebSocket, which a WEBSOCKET endpoint is given. for msg in ws goes through its messages: all that came before the client left; then the loop ends, and the function has 30 s to come to its end.", Attrs: []Attr{
		{"send", true, "x", "Sends text as a text message, bytes as a binary one, and anything else as JSON text. To a client that has left nothing is sent; the function ends quietly where it sends without having more to read."},
		{"recv", true, "timeout=None", "The next message; None when there will be none, or none came in time (\"250ms\", or seconds)."},
		{"close", true, `code=1000, reason=""`, "Says goodbye and closes; the end of the function does, too."},
		field("closed", "Whether either side has closed, and all that came before has been read."),
		field("protocol", "The subprotocol that was agreed: the first that the client offered."),
		field("request", "The request that opened it."),
	}}
}

func messageType() Type {
	return Type{Name: "msg", Doc: "What a client sent over a WebSocket.", Attrs: []Attr{
		field("text", "The message as text."),
		field("bytes", "The message in bytes."),
		field("binary", "Whether it is a binary message."),
		{"json", true, "path=None, default=None", "The message as JSON, or what stands at a path of it; default when there is none."},
	}}
}

func matchType() Type {
	return Type{Name: "match", Doc: "What re.search, re.match and re.fullmatch found.", Attrs: []Attr{
		field("text", "What the pattern matched."),
		field("start", "Where the match begins, in bytes."),
		field("end", "Where it ends."),
		field("groups", "What the groups matched, a tuple; None for one that took no part."),
		field("named", "What the named groups matched, a dict."),
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
