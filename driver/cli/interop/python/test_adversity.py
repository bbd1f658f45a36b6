"""A simulated device meets all that can be set against it, by the stock client."""

import concurrent.futures
import hashlib
import json
import pathlib
import ssl
import time

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
    proxy.call("reset_mocks")


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


# A device recovers from these when the next attempt goes well.
PASSING = [
    "reset", "close", "garbage", "truncate", {"kind": "reset", "lost": "answer"}, {"kind": "reset", "after": 3000},
    {"kind": "stall", "for": 0.2}, {"kind": "stall", "after": "10%", "for": 0.2}, {"kind": "stall", "after": 100},
    {"kind": "drip", "bytes_per_second": 1_000_000}, {"kind": "wrong_length", "by": -1000}, {"kind": "status", "retry_after": 1},
    {"kind": "status", "status": 429}, "redirect_loop", {"kind": "redirect_loop", "hops": 3},
]


class TestPlannedFaults:
    @pytest.mark.parametrize("fault", PASSING, ids=str)
    def test_recovers(self, proxy, device, fault):
        device.timeout = 1
        said = proxy.call("set_fault_plan", "first", json.dumps({"match": "GET /image.bin", "when": {"nth": 1}, "do": fault}))
        kind = fault if isinstance(fault, str) else fault["kind"]
        assert said == f"Fault plan set: first → {kind}"
        check(device.day())
        [plan] = json.loads(proxy.call("list_fault_plans"))
        assert plan["fired"] == 1
        met = []
        until = time.monotonic() + 10  # a device that leaves a stalled answer is noticed seconds later
        while not met and time.monotonic() < until:
            met = [r["met"] for r in proxy.get_captured_requests() if r["path"].startswith("/image.bin") and r.get("met")]
            time.sleep(0.05)
        assert met and met[0] == [f"fault {kind} (first)"]

    @pytest.mark.parametrize("fault", [{"kind": "corrupt", "byte": 70_000}, "duplicate"], ids=str)
    def test_refuses_the_image(self, proxy, device, fault):
        proxy.call("set_fault_plan", "all", json.dumps({"match": "GET /image.bin", "do": fault}))
        device.login()
        with pytest.raises(Refused):
            device.update()
        proxy.call("clear_fault_plans")
        check(device.day())

    def test_waits_for_bytes_that_do_not_come(self, proxy, device):
        device.timeout = 0.5
        proxy.call("set_fault_plan", "long", '{"match": "GET /settings", "when": {"nth": [1, 2]}, "do": {"kind": "wrong_length", "by": 5}}')
        check(device.day())
        assert len(device.failures) == 2

    def test_a_lost_answer_repeats_a_report(self, proxy, device):
        device.login()
        proxy.call("set_fault_plan", "lost", '{"match": "POST /telemetry", "when": {"times": 2}, "do": {"kind": "close", "lost": "answer"}}')
        assert device.telemetry({"temperature": 21.5}) == 3
        assert json.loads(proxy.call("get_state", "telemetry")) == [21.5, 21.5, 21.5]

    def test_chance_follows_the_counters(self, proxy, device):
        proxy.call("set_fault_plan", "flaky", '{"when": {"probability": 0.2}, "do": "reset"}')
        device.attempts = 50
        for _ in range(3):
            check(device.day())
        [plan] = json.loads(proxy.call("list_fault_plans"))
        assert 0 < plan["fired"] < plan["requests"]

    def test_an_event_begins_it(self, proxy, device):
        proxy.call("set_fault_plan", "after", '{"match": "GET /settings", "when": {"since": "installed", "times": 1}, "do": "close"}')
        check(device.day())
        assert device.failures == []
        assert proxy.call("mark_event", "installed") == "Event marked: installed"
        check(device.day())
        assert len(device.failures) == 1

    def test_ends_with_a_reset_of_the_mocks(self, proxy, device):
        proxy.call("set_fault_plan", "all", "reset")
        proxy.call("reset_mocks")
        check(device.day())
        assert device.failures == []


class TestClock:
    def test_a_token_expires(self, proxy, device):
        device.day()
        before = [r["path"] for r in proxy.get_captured_requests()].count("/login")
        proxy.call("advance_clock", 3600)
        assert device.poll()["interval"] == 30
        assert [r["path"] for r in proxy.get_captured_requests()].count("/login") == before + 1
        assert proxy.status()["clock"]["offset_seconds"] == pytest.approx(3600, abs=5)

    @pytest.mark.parametrize("turn, trusts", [("-196d", True), ("-198d", False), ("+3d", False)])
    def test_certificates_follow_it(self, proxy, device, turn, trusts):
        proxy.call("set_clock", turn)
        if trusts:
            check(device.day())
        else:
            with pytest.raises(requests.exceptions.SSLError):
                device.login()
        proxy.call("reset_clock")
        check(device.day())


class TestNetworks:
    @pytest.mark.parametrize("preset", ["slow-3g", "fast-3g", "4g", "edge", "umts", "hsdpa", "lte", "satellite", "tunnel"])
    def test_a_day_on_it(self, proxy, device, preset):
        [profile] = [p for p in json.loads(proxy.call("list_network_profiles")) if p["profile"] == preset]
        assert proxy.call("set_network", preset).startswith(f"Network set for all connections: {preset}"), profile
        device.timeout = 30
        began = time.monotonic()
        check(device.day())
        took = time.monotonic() - began
        assert device.failures == []
        # The image alone has 120,000 bytes.
        assert took > 120_000 * 8 / bits(profile["down"]), profile
        assert all(f"network {preset}" in r["met"] for r in proxy.get_captured_requests() if r["path"] == "/image.bin")

    @pytest.mark.parametrize("preset", ["gsm", "gprs"])
    def test_a_login_on_it(self, proxy, device, preset):
        proxy.call("set_network", preset)
        device.timeout = 60
        device.login()
        assert device.failures == []

    def test_offline_and_back(self, proxy, device):
        device.login()
        proxy.call("set_network", "offline")
        device.timeout, device.attempts = 0.3, 2
        with pytest.raises(TimeoutError):
            device.poll()
        proxy.call("clear_network")
        device.timeout, device.attempts = 10, 6
        check(device.day())

    def test_losses(self, proxy, device):
        proxy.call("set_network", '{"profile": "4g", "loss": 2}')
        device.timeout = 30
        device.attempts = 20
        check(device.day())


def bits(rate):
    """Bits in a second, of a rate such as 400kbit."""
    for unit, factor in (("kbit", 1e3), ("Mbit", 1e6), ("mbit", 1e6), ("bit", 1)):
        if str(rate).endswith(unit):
            return float(str(rate).removesuffix(unit)) * factor
    return float(rate)


class TestHolds:
    """Exchanges are held and edited while the device waits in a thread."""

    @pytest.fixture
    def pool(self):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            yield pool

    def test_a_response_is_edited(self, proxy, device, pool):
        proxy.call("intercept", "~u /telemetry & ~c 2xx", "response")
        device.login()
        report = pool.submit(device.telemetry, [1, 2])
        [held] = json.loads(proxy.call("list_held", 10))
        assert (held["side"], held["method"]) == ("response", "POST")
        assert json.loads(proxy.call("get_held", held["id"]))["response"]["status"] == held["status"]
        # The device sees a busy server, and sends its report again.
        proxy.call("release", held["id"], json.dumps({"status": 503, "body": {"error": "busy"}}))
        [again] = json.loads(proxy.call("list_held", 10))
        proxy.call("release", again["id"])
        report.result()
        assert device.failures
        first, second = [e for e in proxy.get_captured_requests() if e["path"] == "/telemetry"]
        assert (first["response_status"], second["response_status"]) == (503, held["status"])
        assert {"body", "status"} <= {e["part"] for e in first["edits"]} and "edits" not in second

    def test_a_request_is_answered_by_hand(self, proxy, device, pool):
        proxy.call("intercept", "~u /login")
        login = pool.submit(requests.get, f"http://{HOST}/login", proxies=device.session.proxies, timeout=20)
        [held] = json.loads(proxy.call("list_held", 10))
        proxy.call("answer_held", held["id"], json.dumps({"status": 418, "body": "no coffee"}))
        assert (login.result().status_code, login.result().text) == (418, "no coffee")

    def test_nobody_decides(self, proxy, device):
        proxy.call("intercept", "~u /", "both", 0.05)
        check(device.day())
        assert all("nobody decided in time" in str(e["notes"]) for e in proxy.get_captured_requests() if e["protocol"])
