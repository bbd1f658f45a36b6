"""Asks for /x over TLS: get.py PORT HOST CA, where the CA "-" verifies nothing."""

import socket
import ssl
import sys

port, host, ca = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl._create_unverified_context() if ca == "-" else ssl.create_default_context(cafile=ca)
context.set_alpn_protocols(["http/1.1"])
with socket.create_connection(("127.0.0.1", port), 20) as plain, context.wrap_socket(plain, server_hostname=host) as secure:
    secure.sendall(f"GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    while data := secure.recv(4096):
        sys.stdout.write(data.decode())
