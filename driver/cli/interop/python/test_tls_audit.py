"""A TLS audit by the stock client: its steps come as a stream of JSON."""

import json
import threading

import pytest
import requests

HOST = "audited.example"


def audit(proxy, verify, kinds):
    """The verdicts by kind, and the report, of a device that asks again and again."""
    over = threading.Event()

    def device():
        address = f"http://{address_of}"
        while not over.is_set():
            with requests.Session() as session:
                session.trust_env = False
                try:
                    session.get(f"https://{HOST}/", proxies={"https": address}, verify=verify, timeout=20)
                except requests.exceptions.RequestException:
                    pass

    address_of = proxy.status()["proxy_address"]
    asks = threading.Thread(target=device)
    asks.start()
    try:
        steps = [json.loads(item) for item in proxy.streamingcall("tls_audit", HOST, kinds, 60)]
    finally:
        over.set()
        asks.join()
    assert steps[0]["verdict"] == "waiting" and steps[0]["kind"] == "control", steps
    return {s["kind"]: s["verdict"] for s in steps if not s.get("done") and s["verdict"] != "waiting"}, steps[-1]


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
class TestTLSAudit:
    def test_of_a_strict_device(self, proxy, tmp_path):
        proxy.start("mock")
        proxy.set_mock("GET", "/", 200, "{}")
        ca = tmp_path / "ca.pem"
        ca.write_text(proxy.get_ca_cert())
        verdicts, report = audit(proxy, str(ca), "expired,no_san")
        assert verdicts == {"control": "accepted", "expired": "refused", "no_san": "refused"}
        assert report["done"] and report["findings"] == [] and report["refused"] == ["expired", "no_san"], report

    def test_of_a_device_that_verifies_nothing(self, proxy):
        proxy.start("mock")
        proxy.set_mock("GET", "/", 200, "{}")
        verdicts, report = audit(proxy, False, "expired,unknown_ca")
        assert verdicts == {"control": "accepted", "expired": "accepted", "unknown_ca": "accepted"}
        assert report["findings"] == ["expired", "unknown_ca"], report
