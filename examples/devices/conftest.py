"""Fixtures for a bench on which three devices share one proxy address.

Run them inside a session, which sets JUMPSTARTER_HOST:

    starproxy shell --exporter-config exporter.yaml -- pytest
"""

from contextlib import ExitStack

import pytest
import requests
from jumpstarter.common.utils import env
from requests.adapters import HTTPAdapter


class From(HTTPAdapter):
    """Connects from one address of this machine, as a device with that address does."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, source_address=(self.address, 0), **kwargs)

    def proxy_manager_for(self, proxy, **kwargs):
        return super().proxy_manager_for(proxy, source_address=(self.address, 0), **kwargs)


class Device:
    """Stands in for a device: it knows the proxy's address and, if need be, its user."""

    def __init__(self, proxy_address, ca_cert, address="127.0.0.1", user=""):
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.verify = str(ca_cert)
        proxy = f"http://{user}:any@{proxy_address}" if user else f"http://{proxy_address}"
        self.http.proxies = dict.fromkeys(("http", "https"), proxy)
        self.http.mount("http://", From(address))
        self.http.mount("https://", From(address))

    def get(self, path):
        return self.http.get("https://api.example.com" + path, timeout=5)


@pytest.fixture(scope="session")
def client():
    with env() as client:
        yield client


@pytest.fixture(scope="session")
def bench(client):
    """The client, with all three proxies started."""
    with ExitStack() as stack:
        for proxy in (client.north, client.south, client.others):
            stack.enter_context(proxy.session(mode="mock"))
            assert proxy.is_running(), "the proxy did not start: the exporter's log has the reason"
        yield client


@pytest.fixture
def device(bench, tmp_path):
    """Makes a device of the bench, with an address and a user of its own."""
    for proxy in (bench.north, bench.south, bench.others):
        proxy.clear_captured_requests()
    ca_cert = tmp_path / "ca.pem"
    ca_cert.write_text(bench.others.get_ca_cert())
    address = bench.others.status()["proxy_address"]
    return lambda **who: Device(address, ca_cert, **who)
