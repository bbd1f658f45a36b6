"""Reads messages by mitmproxy's HTTP/1 layers. Each line of the input is one as
JSON: kind (the method of a request's response, or nothing for a request) and text;
each line of the output tells how it was read. Bytes are the characters of the
same numbers."""

import json
import sys

import h11
from mitmproxy import connection, http, options, version
from mitmproxy.net.http import http1, validate
from mitmproxy.proxy import commands, context, events
from mitmproxy.proxy.layers.http import _events, _http1


class Body:
    """Keeps the trailers of a body, for the layer can't take them."""

    def __init__(self, reader):
        self.reader, self.trailers = reader, []

    def __call__(self, buf):
        event = self.reader(buf)
        if isinstance(event, h11.EndOfMessage) and event.headers:
            self.trailers = [(bytes(k), bytes(v)) for k, v in event.headers]
            return h11.EndOfMessage()
        return event

    def read_eof(self):
        if hasattr(self.reader, "read_eof"):
            return self.reader.read_eof()
        raise h11.RemoteProtocolError("peer closed connection without sending complete message body")


make_body_reader = _http1.make_body_reader
_http1.make_body_reader = lambda size: Body(make_body_reader(size))


def layer_for(method):
    """Gives the layer that reads, its connection and the request it answers."""
    opened = connection.ConnectionState.OPEN
    device = connection.Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0.0, state=opened)
    ctx = context.Context(device, options.Options())
    if not method:
        layer = _http1.Http1Server(ctx)
        list(layer.handle_event(events.Start()))
        return layer, ctx.client, None
    ctx.server = connection.Server(address=("a", 80))
    ctx.server.state = opened
    layer = _http1.Http1Client(ctx)
    list(layer.handle_event(events.Start()))
    request = http.Request.make(method, "http://a/")
    if method == "CONNECT":
        request.authority = "a:80"
    list(layer.handle_event(_events.RequestHeaders(1, request, True)))
    return layer, ctx.server, request


class Reading:
    def __init__(self):
        self.head, self.body, self.done, self.error = None, b"", False, None

    def take(self, produced):
        for command in produced:
            if isinstance(command, commands.Log) and self.error is None and self.head is None:
                self.error = command.message
            if not isinstance(command, _http1.ReceiveHttp):
                continue
            event = command.event
            if isinstance(event, (_events.RequestHeaders, _events.ResponseHeaders)):
                self.head = getattr(event, "request", None) or event.response
            elif isinstance(event, (_events.RequestData, _events.ResponseData)):
                self.body += event.data
            elif isinstance(event, (_events.RequestEndOfMessage, _events.ResponseEndOfMessage)):
                self.done = True
            elif isinstance(event, (_events.RequestProtocolError, _events.ResponseProtocolError)):
                self.error = event.message


def read(method, data):
    layer, conn, request = layer_for(method)
    r = Reading()
    r.take(layer.handle_event(events.DataReceived(conn, data)))
    before = None
    while r.head is None and r.error is None and bytes(layer.buf) != before:
        before = bytes(layer.buf)  # an empty line is taken at each call
        r.take(layer.handle_event(events.DataReceived(conn, b"")))
    r.done = r.done or (layer.request_done if request is None else layer.response_done)  # not told for a CONNECT
    rest = bytes(layer.buf)
    if not r.done and r.error is None:
        conn.state &= ~connection.ConnectionState.CAN_READ
        r.take(layer.handle_event(events.ConnectionClosed(conn)))
        rest = b""
        if not r.done and r.error is None:
            r.error = "incomplete"
    if r.error is None:
        validate.validate_headers(r.head)
    if r.error is not None:
        raise ValueError(r.error)
    return tell(r, layer, request, rest)


def tell(r, layer, request, rest):
    head = r.head
    if request is None:
        size = http1.expected_http_body_size(head)
        raw, host = head.data, head.data.authority or head.headers.get("host", "").encode("utf-8", "surrogateescape")
        target = raw.path
        if raw.method.upper() == b"CONNECT":
            target = raw.authority
        elif raw.authority:
            target = raw.scheme + b"://" + raw.authority + raw.path
        line = [raw.method, target, raw.http_version]
    else:
        size = http1.expected_http_body_size(request, head)
        line, host = [head.data.http_version, b"%d" % head.status_code, head.data.reason], b""
    closes = size == -1 or http1.connection_close(head.http_version, head.headers)
    text = lambda b: b.decode("latin-1")
    pairs = lambda fields: [[text(k), text(v)] for k, v in fields]
    trailers = getattr(getattr(layer, "body_reader", None), "trailers", [])
    return dict(line=[text(x) for x in line], host=text(host), header=pairs(head.headers.fields), body=text(r.body),
                trailer=pairs(trailers), rest=text(rest), keep=not closes)


print(json.dumps(dict(version=version.VERSION)))
for question in sys.stdin:
    q = json.loads(question)
    try:
        answer = read(q["method"], q["text"].encode("latin-1"))
    except Exception as e:
        answer = dict(error="%s: %s" % (type(e).__name__, e))
    print(json.dumps(answer))
