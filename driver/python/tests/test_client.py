"""The typed client beside starproxy itself."""

from __future__ import annotations

import inspect
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest
from jumpstarter_driver_mitmproxy.client import MitmproxyClient
from jumpstarter_driver_starproxy.client import Refused, StarproxyClient
from jumpstarter_driver_starproxy.driver import StarproxyDriver
from jumpstarter_driver_starproxy.methods import Methods

from jumpstarter.common.utils import serve

METHODS = Path(__file__).parents[2] / "testdata" / "methods.txt"


@pytest.fixture
def proxy(tmp_path):
    driver = StarproxyDriver(
        listen={"host": "127.0.0.1", "port": 0},
        web={"host": "127.0.0.1", "port": 0},
        directories={"data": str(tmp_path / "data")},
        unmatched="reject",
        mocks={"GET /health": {"status": 200, "body": {"ok": True}}},
    )
    with serve(driver) as c:
        c.start()
        yield StarproxyClient.of(c)


def get(proxy, path):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy.address}))
    try:
        with opener.open(f"http://backend.example{path}", timeout=20) as r:
            return r.status
    except urllib.error.HTTPError as e:
        return e.code


class TestSurface:
    """Each method has a function with a docstring, and the stock client's come first."""

    @pytest.mark.parametrize("line", METHODS.read_text().splitlines())
    def test_method(self, line):
        name = line.split("(")[0]
        if line.endswith(" bytes"):
            return  # connect_web, which the command web of the stock client uses
        function = getattr(StarproxyClient, name)
        assert inspect.getdoc(function)
        assert hasattr(MitmproxyClient, name) != hasattr(Methods, name)


class TestClient:
    def test_is_made_once(self, proxy):
        assert StarproxyClient.of(proxy) is proxy

    def test_refusals_are_errors(self, proxy):
        assert "Loaded 0" in proxy.must("load_mock_scenario_content", "a.yaml", "{}")
        with pytest.raises(Refused, match="Invalid scenario"):
            proxy.must("load_mock_scenario_content", "a.yaml", "endpoints: 3")
        assert proxy.load_mock_scenario_content("a.yaml", "endpoints: 3").startswith("Invalid scenario")

    def test_exchanges_since_a_mark(self, proxy):
        assert get(proxy, "/health") == 200
        mark = proxy.mark()
        assert get(proxy, "/none") == 501
        assert [(r["path"], r.get("unmatched")) for r in proxy.exchanges(mark)] == [("/none", True)]
        assert len(proxy.exchanges()) == 2
        assert [r["path"] for r in proxy.exchanges(filter_expr="~u health")] == ["/health"]

    def test_bundle(self, proxy, tmp_path):
        get(proxy, "/health")
        path = proxy.bundle(tmp_path / "new" / "b.zip")
        with zipfile.ZipFile(path) as z:
            assert {"report.html", "session.har", "manifest.json"} <= set(z.namelist())
        with pytest.raises(Exception, match="since"):
            proxy.bundle(tmp_path / "new" / "c.zip", since="x")
        assert [p.name for p in path.parent.iterdir()] == ["b.zip"]

    def test_expectations(self, proxy, tmp_path):
        get(proxy, "/health")
        proxy.begun = proxy.mark()
        get(proxy, "/none?page=2")
        assert proxy.expect({"request": "GET /none", "count": 1})["ok"]
        assert proxy.expect([{"request": "GET /health"}], since="")["checked"] == 2
        with pytest.raises(AssertionError, match=r"expectations:1:\d+: GET /health: ") as failure:
            proxy.expect([{"request": "GET /none"}, {"request": "GET /health", "count": 1}])
        assert "in 1 exchanges" in str(failure.value)
        file = tmp_path / "expect.yaml"
        file.write_text("- {request: GET /none}\n- {no_unmatched: true}\n")
        with pytest.raises(AssertionError, match=r"expect.yaml:2:3: .*\n.*/none"):
            proxy.expect(file)
        with pytest.raises(ValueError, match="requst"):
            proxy.expect([{"requst": "GET /none"}])

    def test_contexts_end(self, proxy):
        with proxy.on_network("edge"), proxy.tls_fault("a.example", "expired"), proxy.clock("2030-01-01T00:00:00Z", frozen=True):
            with proxy.fault_plan("first", {"match": "GET /health", "do": {"kind": "status", "status": 503}}):
                assert get(proxy, "/health") == 503
            assert get(proxy, "/health") == 200
            assert proxy.get_clock()["now"].startswith("2030-01-01T00:00:00")
            assert proxy.show_network() and proxy.list_tls_faults()
        assert not proxy.show_network() and not proxy.list_tls_faults() and not proxy.list_fault_plans()
        assert proxy.get_clock()["turned"] is False

    def test_values_are_sent_as_json(self, proxy):
        assert proxy.check_state("k", {"a": [1]}) == {"ok": True}
        proxy.put_mock("GET /put", "{status: 201, body: {}}")
        assert get(proxy, "/put") == 201
