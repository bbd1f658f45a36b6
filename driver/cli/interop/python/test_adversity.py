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
