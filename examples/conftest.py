"""Fixtures for tests of a device whose backend is the bench's proxy.

Run them inside a session, which sets JUMPSTARTER_HOST:

    starproxy shell --exporter-config exporter.yaml -- pytest
"""

import pytest
import requests
from jumpstarter.common.utils import env

collect_ignore = ["devices"]  # another bench, with an exporter file of its own


class Charger:
    """Stands in for the device under test: it knows the proxy, nothing else.

    With a real device, this is where it is powered on and told to use the
    proxy; the tests stay as they are.
    """

    def __init__(self, proxy_address, ca_cert):
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.proxies = dict.fromkeys(("http", "https"), f"http://{proxy_address}")
        self.http.verify = str(ca_cert)
        self.firmware = "2.4.1"
        self.tariff = {"per_kwh": 0.50}

    def backend_is_up(self):
        answer = self.http.get("https://api.example.com/api/v1/status", timeout=5)
        return answer.ok and answer.json()["backend"] == "ok"

    def refresh_tariff(self):
        """Keeps the old tariff when the backend has none to give."""
        answer = self.http.get("https://api.example.com/api/v1/tariff", timeout=5)
        if answer.ok:
            self.tariff = answer.json()
        return answer.ok

    def plug_in(self, connector):
        answer = self.http.post(
            "https://api.example.com/api/v1/sessions",
            json={"connector": connector}, timeout=5,
        )
        answer.raise_for_status()
        return answer.json()

    def look_for_update(self):
        offer = self.http.get(
            "https://api.example.com/api/v1/firmware",
            params={"version": self.firmware}, timeout=5,
        ).json()
        if not offer["update"]:
            return False
        self.http.get(offer["url"], timeout=5).raise_for_status()
        self.firmware = offer["current"]
        return True


@pytest.fixture(scope="session")
def client():
    with env() as client:
        yield client


@pytest.fixture(scope="session")
def running(client):
    """The proxy, answering as the happy path says until a test wants otherwise."""
    with client.proxy.session(mode="mock") as proxy:
        assert proxy.is_running(), "the proxy did not start: the exporter's log has the reason"
        yield proxy


@pytest.fixture
def load(running):
    """Loads a scenario. What is wrong with it is told in the text of the answer."""
    def load(scenario):
        told = running.load_mock_scenario(scenario)
        assert told.startswith("Loaded "), told
    return load


@pytest.fixture
def proxy(running, load):
    load("happy-path.yaml")
    running.clear_captured_requests()
    return running


@pytest.fixture
def charger(proxy, tmp_path):
    ca_cert = tmp_path / "ca.pem"
    ca_cert.write_text(proxy.get_ca_cert())
    return Charger(proxy.status()["proxy_address"], ca_cert)
