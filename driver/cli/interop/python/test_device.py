"""A suite as users of jumpstarter-testing write it, with a WebSocket device."""

import asyncio
import ssl

import pytest
import requests
import websockets
from jumpstarter_testing.pytest import JumpstarterTest


class TestDevice(JumpstarterTest):
    @pytest.fixture
    def proxy(self, client):
        with client.proxy.session(mode="mock") as proxy:
            yield proxy

    def test_status(self, proxy):
        proxy.set_mock("GET", "/api/v1/status", body={"ok": True})
        address = f"http://{proxy.status()['proxy_address']}"
        answer = requests.get("http://api.example.com/api/v1/status", proxies={"http": address}, timeout=10)
        assert answer.json() == {"ok": True}
        proxy.assert_request_made("GET", "/api/v1/status")

    def test_logs_can_be_followed(self, client):
        with client.log_stream():
            assert client.proxy.is_running() is False

    @pytest.mark.parametrize("scheme", ["ws", "wss"])
    def test_websocket_passes_through(self, proxy, tmp_path, scheme):
        asyncio.run(echo(proxy, tmp_path, scheme))


async def echo(proxy, tmp_path, scheme):
    """Talks through the proxy to a server that answers what it hears."""
    async def answer(connection):
        async for message in connection:
            await connection.send(message)

    ca = tmp_path / "ca.pem"
    ca.write_text(proxy.get_ca_cert())
    server_tls = client_tls = None
    if scheme == "wss":
        server_tls = self_signed(tmp_path)
        client_tls = ssl.create_default_context(cafile=ca)
    async with websockets.serve(answer, "127.0.0.1", 0, ssl=server_tls) as server:
        port = server.sockets[0].getsockname()[1]
        async with websockets.connect(
            f"{scheme}://127.0.0.1:{port}/socket",
            proxy=f"http://{proxy.status()['proxy_address']}", ssl=client_tls,
        ) as socket:
            for message in ["text", b"\0binary", "x" * 200_000]:
                await socket.send(message)
                assert await socket.recv() == message
    event = await asyncio.to_thread(proxy.wait_for_request, "GET", "/socket", 10)
    assert event["response_status"] == 101


def self_signed(tmp_path):
    """A server's TLS context that only a lenient client accepts."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
