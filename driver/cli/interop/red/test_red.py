"""A suite of which some tests fail on purpose: the tests of the plugin look at what they leave."""

import os
import signal
import urllib.error
import urllib.request

import pytest

SECRET = "sk-4f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c"
HOST = "http://api.device.example"


def ask(proxy, path, method="GET"):
    """The status and the body of an answer through the proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy.address}))
    request = urllib.request.Request(HOST + path, method=method, headers={"Authorization": f"Bearer {SECRET}"})
    try:
        with opener.open(request, timeout=20) as r:
            return r.status, r.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


@pytest.fixture
def broken_before(starproxy):
    ask(starproxy, "/health?before")
    raise RuntimeError("the device does not boot")


@pytest.fixture
def broken_after(starproxy):
    yield
    ask(starproxy, "/health?after")
    raise RuntimeError("the device does not stop")


@pytest.mark.starproxy(scenario="day.yaml")
class TestRed:
    def test_login(self, starproxy):
        assert ask(starproxy, f"/settings?access_token={SECRET}&page=2")[0] == 200
        assert ask(starproxy, "/loginn", "POST")[0] == 200, "the device cannot log in"

    def test_before(self, broken_before):
        pass

    def test_after(self, broken_after):
        pass

    def test_expectations(self, starproxy):
        ask(starproxy, "/serial")
        starproxy.expect([{"request": "GET /serial", "count": 1}, {"request": "GET /settings"}])

    @pytest.mark.starproxy(clok="+1h")
    def test_misspelt(self):
        pass


class TestGreen:
    def test_is_fresh(self, starproxy):
        """Whatever was set by a test before."""
        assert list(starproxy.list_mocks()) == ["GET /health"]
        assert starproxy.get_all_state() == {}
        assert not starproxy.get_clock()["turned"]
        assert not starproxy.show_network() and not starproxy.list_tls_faults() and not starproxy.list_fault_plans()
        assert ask(starproxy, "/health")[0] == 200
        starproxy.clear_mocks()
        starproxy.set_state("left", True)
        starproxy.set_clock("+1h")

    def test_is_fresh_again(self, starproxy):
        self.test_is_fresh(starproxy)

    @pytest.mark.starproxy(
        network="edge", clock={"time": "2030-01-31T12:00:00Z", "frozen": True}, tls={"a.example": "expired"}, state={"user": "ada"},
        faults=[{"name": "busy", "match": "GET /health", "do": {"kind": "status", "status": 503}}],
    )
    def test_is_set_up(self, starproxy):
        assert starproxy.get_clock()["now"] == "2030-01-31T12:00:00Z"
        assert starproxy.get_state("user") == "ada"
        assert [fault["host"] for fault in starproxy.list_tls_faults()] == ["a.example"]
        assert len(starproxy.show_network()) == 1
        assert ask(starproxy, "/health")[0] == 503

    @pytest.mark.xfail
    def test_is_known_to_fail(self, starproxy):
        assert ask(starproxy, "/none")[0] == 200


@pytest.mark.starproxy(scenario="day.yaml", seed=7)
class TestSeed:
    answers = set()

    @pytest.mark.parametrize("turn", [1, 2])
    def test_is_the_same(self, starproxy, turn):
        self.answers.add(ask(starproxy, "/serial")[1])
        assert len(self.answers) == 1


@pytest.mark.skipif("JUMPSTARTER_HOST" in os.environ, reason="the exporter is not the suite's own")
class TestCrash:
    def test_dies(self, starproxy):
        os.kill(starproxy.status()["pid"], signal.SIGKILL)
        starproxy.clear_state()

    def test_goes_on(self, starproxy):
        TestGreen().test_is_fresh(starproxy)
        starproxy.stop()

    def test_goes_on_after_a_stop(self, starproxy):
        TestGreen().test_is_fresh(starproxy)
