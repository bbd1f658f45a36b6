"""Fixtures of the client suite: the session that JUMPSTARTER_HOST names."""

import os
import pathlib

import pytest
import requests
from jumpstarter.common.utils import env


@pytest.fixture(scope="session")
def root():
    with env() as root:
        yield root


@pytest.fixture
def proxy(root):
    """The proxy node, stopped and empty."""
    proxy = root.proxy
    proxy.stop()
    proxy.clear_mocks()
    proxy.clear_state()
    proxy.clear_captured_requests()
    yield proxy
    proxy.stop()


@pytest.fixture
def addons():
    """The addons directory of the exporter under test."""
    directory = pathlib.Path(os.environ["STARPROXY_DATA"]) / "addons"
    directory.mkdir(exist_ok=True)
    return directory


@pytest.fixture
def http(proxy, tmp_path):
    """The started proxy and a requests session that uses it and trusts its CA."""
    proxy.start("mock")
    ca = tmp_path / "ca.pem"
    ca.write_text(proxy.get_ca_cert())
    with requests.Session() as session:
        session.trust_env = False
        address = f"http://{proxy.status()['proxy_address']}"
        session.proxies = {"http": address, "https": address}
        session.verify = str(ca)
        yield session
