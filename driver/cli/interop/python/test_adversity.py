"""A simulated device meets all that can be set against it, by the stock client."""

import hashlib
import pathlib
import ssl

import pytest
import requests
from simulator import Device, Refused

HOST = "api.device.example"


@pytest.fixture
def device(proxy, tmp_path):
    """The device, with its servers behind it."""
    backend = pathlib.Path(__file__).with_name("backend.star")
    proxy.start("mock")
    loaded = proxy.load_mock_scenario_content("backend.star", backend.read_text())
    assert "5 endpoint" in loaded, loaded
    ca = tmp_path / "ca.pem"
    ca.write_text(proxy.get_ca_cert())
    device = Device(f"http://{proxy.status()['proxy_address']}", str(ca))
    yield device
    device.close()


def check(day):
    assert day["settings"] == 30
    assert day["events"] == ["hello 0", "hello 1", "hello 2"]


class TestDevice:
    def test_a_quiet_day(self, device):
        check(device.day())
        assert device.failures == []


# A device that checks certificates refuses these.
FORGED = [
    "expired", "not_yet_valid", "wrong_host", "self_signed", "unknown_ca", "missing_intermediate", "no_san", "wrong_usage",
    "weak_key", "plaintext", "garbage", '{"kind": "max_version", "version": "1.1"}', '{"kind": "alert", "alert": "access_denied"}',
    '{"kind": "abort", "after": "client_hello"}', '{"kind": "abort", "after": "certificate", "how": "fin"}',
]
# It accepts these: Python does not look at stapled answers.
BEARABLE = [
    "revoked", "long_chain", "slow", "no_close_notify", '{"kind": "min_version", "version": "1.3"}', '{"kind": "max_version", "version": "1.2"}',
]


class TestForgedServers:
    @pytest.mark.parametrize("fault", FORGED)
    def test_is_refused(self, proxy, device, fault):
        proxy.call("set_tls_fault", HOST, fault)
        device.attempts = 2
        with pytest.raises((requests.exceptions.SSLError, TimeoutError)):
            device.login()
        assert not [r for r in proxy.get_captured_requests() if r["path"] == "/login"]
        proxy.call("clear_tls_faults")
        check(device.day())

    @pytest.mark.parametrize("fault", BEARABLE)
    def test_is_accepted(self, proxy, device, fault):
        proxy.call("set_tls_fault", HOST, fault)
        check(device.day())
        [login] = [r for r in proxy.get_captured_requests() if r["path"] == "/login"]
        assert any("tls fault" in name for name in login["met"]), login["met"]

    def test_the_next_handshake_only(self, proxy, device):
        proxy.call("set_tls_fault", HOST, '{"kind": "abort", "after": "client_hello", "times": 1}')
        try:
            device.login()
        except requests.exceptions.SSLError:
            pass
        check(device.day())
