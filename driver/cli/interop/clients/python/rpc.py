"""Calls the test service through a proxy and prints each outcome on a line.

    rpc.py CA|- HOST:PORT     (the proxy comes from https_proxy or http_proxy)

With "-" instead of a CA the calls go without TLS.
"""

import sys

import grpc

ca, target = sys.argv[1:]
if ca == "-":
    channel = grpc.insecure_channel(target)
else:
    channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(open(ca, "rb").read()))


def method(kind, name):
    return getattr(channel, kind)("/test.Echo/" + name, request_serializer=None, response_deserializer=None)


answer, call = method("unary_unary", "Unary").with_call(b"hello", metadata=(("asked-bin", b"\x00\xff"),), timeout=60)
print("unary", answer.decode(), dict(call.initial_metadata())["got-bin"].hex(), dict(call.trailing_metadata())["end"])
for code in (5, 14, 16):
    try:
        method("unary_unary", "Fail")(str(code).encode(), timeout=60)
    except grpc.RpcError as e:
        print("fail", e.code().value[0], e.details())
print("stream", *(m.decode() for m in method("unary_stream", "Stream")(b"5", timeout=60)))
try:
    for m in method("unary_stream", "StreamThenFail")(b"2", timeout=60):
        print("got", m.decode())
except grpc.RpcError as e:
    print("fail", e.code().value[0], e.details())
print("bidi", *(m.decode() for m in method("stream_stream", "Bidi")(iter([b"a", b"b", b"c"]), timeout=60)))
print("large", len(method("unary_unary", "Unary")(b"x" * 3_000_000, timeout=60)))
