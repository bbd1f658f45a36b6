"""The unmodified MitmproxyClient, method by method, against our exporter.

The texts are the ones that Python's driver answers; existing suites compare
them.
"""

import base64
import http.server
import json
import re
import threading
import time

import pytest
import requests
from jumpstarter.client.core import DriverInvalidArgument

API = "http://api.example.com"


@pytest.fixture
def upstream():
    """A real server, which the proxy passes on to."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = json.dumps({
                "path": self.path, "profile": {"name": "Ada", "plan": "free"}, "items": [{"n": 1}, {"n": 2}],
                "conditional": self.headers.get("If-None-Match"),
            }).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


class TestLifecycle:
    def test_start_and_stop(self, proxy):
        started = proxy.start("mock")
        assert re.fullmatch(r"Started in 'mock' mode on 127\.0\.0\.1:\d+ \(PID \d+\)", started)
        assert proxy.is_running() is True
        assert re.fullmatch(r"Already running in 'mock' mode \(PID \d+\)\. Stop first\.", proxy.start("mock"))
        assert re.fullmatch(r"Stopped \(was 'mock' mode, PID \d+\)", proxy.stop())
        assert proxy.is_running() is False
        assert proxy.stop() == "Not running"

    def test_status(self, proxy):
        status = proxy.status()
        assert status["running"] is False
        assert status["mode"] == "stopped"
        assert status["pid"] is None
        assert status["proxy_address"] is None
        assert status["web_ui_enabled"] is False
        assert status["web_ui_address"] is None
        assert status["mock_count"] == 0
        assert status["flow_file"] is None
        proxy.set_mock("GET", "/a")
        proxy.start("passthrough")
        status = proxy.status()
        assert (status["running"], status["mode"], status["mock_count"]) == (True, "passthrough", 1)
        assert isinstance(status["pid"], int)
        assert proxy.web_ui_url is None

    def test_restart_keeps_its_mode(self, proxy):
        proxy.start("passthrough")
        assert "Started in 'passthrough' mode" in proxy.restart()
        assert "Started in 'mock' mode" in proxy.restart("mock")
        proxy.stop()
        assert "Started in 'mock' mode" in proxy.restart()

    def test_another_port(self, proxy, unused_port):
        assert f"127.0.0.1:{unused_port} " in proxy.start("mock", port=unused_port)
        assert proxy.status()["proxy_address"] == f"127.0.0.1:{unused_port}"

    def test_a_port_that_is_taken(self, proxy):
        import socket
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
            answer = proxy.start("mock", port=port)
        assert answer.startswith(f"Failed to start (port {port} is already in use")
        assert proxy.is_running() is False
        assert "Started" in proxy.start("mock")

    def test_what_cannot_be_started(self, proxy):
        assert proxy.start("sideways") == "Unknown mode 'sideways'. Use: mock, passthrough, record, replay"
        assert proxy.start("replay") == "Error: replay_file is required for replay mode"
        assert proxy.start("replay", replay_file="/nothing/here.bin") == "Replay file not found: /nothing/here.bin"
        assert proxy.is_running() is False

    def test_session(self, proxy):
        with proxy.session(mode="mock") as p:
            assert p.is_running()
        assert not proxy.is_running()

    def test_starting_is_instant(self, proxy):
        proxy.start("mock")
        begin = time.monotonic()
        for _ in range(5):
            proxy.restart()
        assert time.monotonic() - begin < 2.5


@pytest.fixture
def unused_port():
    import socket
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class TestMocks:
    def test_set_list_remove(self, proxy, http):
        assert proxy.set_mock("get", "/a", body={"n": 1}) == "Mock set: GET /a → 200"
        assert proxy.set_mock("POST", "/b", status=201, body="[1, 2]", headers={"X-A": "b"}) == "Mock set: POST /b → 201"
        assert list(proxy.list_mocks()) == ["GET /a", "POST /b"]
        assert http.get(f"{API}/a").json() == {"n": 1}
        answer = http.post(f"{API}/b")
        assert (answer.status_code, answer.json(), answer.headers["X-A"]) == (201, [1, 2], "b")
        assert proxy.remove_mock("GET", "/a") == "Removed mock: GET /a"
        assert proxy.remove_mock("GET", "/a") == "Mock not found: GET /a"
        assert proxy.clear_mocks() == "Cleared 1 mock(s)"
        assert proxy.list_mocks() == {}

    def test_a_change_is_in_force_at_once(self, proxy, http):
        for n in range(50):
            proxy.set_mock("GET", "/n", body={"n": n})
            assert http.get(f"{API}/n").json() == {"n": n}

    def test_keys(self, proxy, http):
        proxy.set_mock("GET", "/a*", body={"is": "prefix"})
        proxy.set_mock("GET", "/a", body={"is": "exact"})
        proxy.set_mock("GET", "/abc*", body={"is": "longer"})
        proxy.set_mock("*", "/any", body={"is": "any"})
        proxy.set_mock("GET", "/users/{id}/name", body={"is": "named"})
        for method, path, want in [
            ("GET", "/a", "exact"), ("GET", "/ab", "prefix"), ("GET", "/abcd?q=1", "longer"),
            ("DELETE", "/any", "any"), ("GET", "/users/7/name", "named"),
        ]:
            assert http.request(method, API + path).json() == {"is": want}, path
        assert http.head(f"{API}/a").status_code == 200

    def test_bad_json(self, proxy):
        assert proxy.set_mock("GET", "/a", body="{no") .startswith("Invalid body JSON: ")
        assert proxy.call("set_mock", "GET", "/a", 200, "{}", "application/json", "{no").startswith("Invalid headers JSON: ")
        assert proxy.call("set_mock_patch", "GET", "/a", "{no", "{}") == "Invalid JSON for patches"
        assert proxy.call("set_mock_patch", "GET", "/a", "[1]", "{}") == "Patches must be a JSON object"
        assert proxy.call("set_mock_sequence", "GET", "/a", "[]") == "Sequence must be a non-empty JSON array"
        assert proxy.call("set_mock_conditional", "GET", "/a", "[]") == "Rules must be a non-empty JSON array"
        for method in "set_mock_sequence", "set_mock_conditional":
            assert proxy.call(method, "GET", "/a", "{no").startswith("Invalid JSON: ")
        assert proxy.call("set_mock_template", "GET", "/a", "{no", 200).startswith("Invalid JSON: ")
        assert proxy.call("set_state", "a", "{no").startswith("Invalid JSON: ")
        assert proxy.list_mocks() == {}

    def test_numbers_that_are_not_whole(self, proxy):
        with pytest.raises(DriverInvalidArgument, match="status"):
            proxy.call("set_mock", "GET", "/a", 200.5, "{}", "application/json", "{}")

    def test_file(self, proxy, http):
        data = bytes(range(256)) * 1000
        assert proxy.upload_mock_file("firmware/a.bin", data) == f"Uploaded: firmware/a.bin ({len(data)} bytes)"
        assert proxy.upload_mock_file("../a.bin", b"") == "Invalid file path: ../a.bin"
        assert proxy.set_mock_file("GET", "/a.bin", "firmware/a.bin") == "File mock set: GET /a.bin → firmware/a.bin (application/octet-stream)"
        assert http.get(f"{API}/a.bin").content == data
        part = http.get(f"{API}/a.bin", headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, data[10:20])
        assert part.headers["Content-Range"] == f"bytes 10-19/{len(data)}"
        rest = http.get(f"{API}/a.bin", headers={"Range": "bytes=255000-", "If-Range": part.headers["ETag"]})
        assert (rest.status_code, rest.content) == (206, data[255000:])
        assert http.get(f"{API}/a.bin", headers={"Range": "bytes=999999999-"}).status_code == 416
        head = http.head(f"{API}/a.bin")
        assert (head.content, head.headers["Content-Length"]) == (b"", str(len(data)))
        proxy.set_mock_file("GET", "/none", "no/such.bin")
        missing = http.get(f"{API}/none")
        assert (missing.status_code, missing.json()) == (500, {"error": "Mock file not found: no/such.bin"})

    def test_latency(self, proxy, http):
        assert proxy.set_mock_with_latency("GET", "/late", body={"late": True}, latency_ms=200) == "Mock set: GET /late → 200 (+200ms)"
        begin = time.monotonic()
        assert http.get(f"{API}/late").json() == {"late": True}
        assert time.monotonic() - begin >= 0.2

    def test_sequence(self, proxy, http):
        assert proxy.set_mock_sequence("GET", "/s", [
            {"status": 503, "repeat": 2}, {"status": 200, "body": {"ready": True}},
        ]) == "Sequence mock set: GET /s → 2 step(s)"
        assert [http.get(f"{API}/s").status_code for _ in range(4)] == [503, 503, 200, 200]

    def test_template(self, proxy, http):
        assert proxy.set_mock_template("POST", "/t", {
            "name": "{{request_body_json(user.name)}}", "n": "{{counter(t)}}", "path": "{{request_path}}",
            "two": "{{request_query(a)}}-{{request_header(X-B)}}", "list": ["{{request_path_segment(0)}}"],
        }) == "Template mock set: POST /t → 200"
        answer = http.post(f"{API}/t?a=1", json={"user": {"name": "Ada"}}, headers={"X-B": "2"}).json()
        assert answer == {"name": "Ada", "n": answer["n"], "path": "/t?a=1", "two": "1-2", "list": ["t"]}
        assert isinstance(answer["n"], int)

    def test_conditional(self, proxy, http):
        rules = [
            {"match": {"body_json": {"user": "ada", "list.1": 2}}, "body": {"token": "t"}},
            {"match": {"headers_absent": ["X-Id"]}, "status": 400},
            {"status": 401},
        ]
        assert proxy.set_mock_conditional("POST", "/login", rules) == "Conditional mock set: POST /login → 3 rule(s)"
        assert http.post(f"{API}/login", json={"user": "ada", "list": [1, 2]}).json() == {"token": "t"}
        assert http.post(f"{API}/login", json={}).status_code == 400
        assert http.post(f"{API}/login", headers={"X-Id": "1"}).status_code == 401
        with proxy.mock_conditional("GET", "/c", [{"match": {"query": {"page": 1}}, "status": 202}, {"status": 404}]):
            assert http.get(f"{API}/c?page=1").status_code == 202
            assert http.get(f"{API}/c").status_code == 404
        assert "GET /c" not in proxy.list_mocks()

    def test_patch(self, proxy, http, upstream):
        assert proxy.set_mock_patch("GET", "/profile", {"profile": {"plan": "gold"}, "items[1]": {"n": 9}}) == "Patch mock set: GET /profile"
        got = http.get(f"{upstream}/profile").json()
        assert got["profile"] == {"name": "Ada", "plan": "gold"}
        assert got["items"] == [{"n": 1}, {"n": 9}]
        assert proxy.get_captured_requests()[-1]["was_patched"] is True
        with proxy.mock_patch_endpoint("GET", "/other", {"path": "patched"}):
            assert http.get(f"{upstream}/other").json()["path"] == "patched"
        assert http.get(f"{upstream}/other").json()["path"] == "/other"

    def test_shortcuts(self, proxy, http):
        proxy.mock_error("GET", "/down", status=503, message="down")
        assert http.get(f"{API}/down").json() == {"error": "down", "status": 503}
        proxy.mock_timeout("GET", "/late")
        assert http.get(f"{API}/late").status_code == 504
        with proxy.mock_endpoint("GET", "/now", body={"is": "now"}):
            assert http.get(f"{API}/now").json() == {"is": "now"}
        assert "GET /now" not in proxy.list_mocks()

    def test_a_mock_of_the_scenario_comes_back(self, proxy, http):
        proxy.load_mock_scenario_content("s.json", json.dumps({"GET /a": {"body": {"from": "scenario"}}}))
        with proxy.mock_endpoint("GET", "/a", body={"from": "test"}):
            assert http.get(f"{API}/a").json() == {"from": "test"}
        assert http.get(f"{API}/a").json() == {"from": "scenario"}
        proxy.set_mock("GET", "/a", body={"from": "test"})
        assert proxy.call("reset_mocks") == "Reset to 1 mock(s)"
        assert http.get(f"{API}/a").json() == {"from": "scenario"}

    def test_states_and_faults(self, proxy, http):
        proxy.set_mock_conditional("POST", "/login", [
            {"state": {"scenario": "login", "is": "Started", "then": "in"}, "body": "hello"},
            {"status": 409, "latency_ms": {"min": 1, "max": 5}},
        ])
        for _ in range(2):
            assert [http.post(f"{API}/login").status_code for _ in range(2)] == [200, 409]
            assert proxy.get_state("scenario.login") == "in"
            assert proxy.call("reset_scenario_states") == "Reset 1 scenario(s)"
        proxy.set_mock_sequence("GET", "/s", [{"fault": "close", "repeat": 1}, {"body": "up"}])
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{API}/s", proxies=http.proxies)
        assert http.get(f"{API}/s").text == "up"
        assert proxy.call("set_mock_fault", "GET", "/f", "reset") == "Fault mock set: GET /f → reset"
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{API}/f", proxies=http.proxies)

    def test_https_for_a_host_that_does_not_exist(self, proxy, http):
        proxy.set_mock("GET", "/secure", body={"secure": True})
        assert http.get("https://no-such-host.invalid/secure").json() == {"secure": True}
        assert http.get("https://no-such-host.invalid:8443/secure").json() == {"secure": True}
        assert proxy.get_captured_requests()[0]["url"] == "https://no-such-host.invalid/secure"

    def test_mocks_belong_to_mock_mode(self, proxy, http, upstream):
        proxy.set_mock("GET", "/profile", body={"mocked": True})
        assert http.get(f"{upstream}/profile").json() == {"mocked": True}
        proxy.restart("passthrough")
        assert http.get(f"{upstream}/profile").json()["path"] == "/profile"


class TestScripts:
    def test_addon(self, proxy, http, addons):
        (addons / "greeter.star").write_text(
            "count = cell(0)\n"
            "def handle(req, config):\n"
            "    return response(body = {'hello': config['name'], 'n': count.incr(), 'who': state.get('who')})\n")
        assert "greeter" in proxy.list_addons()
        assert proxy.set_mock_addon("GET", "/g*", "greeter", {"name": "Ada"}) == "Addon mock set: GET /g* → greeter"
        assert proxy.list_mocks()["GET /g*"] == {"addon": "greeter", "addon_config": {"name": "Ada"}}
        proxy.set_state("who", ["tester"])
        assert http.get(f"{API}/g/1").json() == {"hello": "Ada", "n": 1, "who": ["tester"]}
        assert http.get(f"{API}/g/2").json() == {"hello": "Ada", "n": 2, "who": ["tester"]}

    def test_addons_that_cannot_be_set(self, proxy, addons):
        (addons / "broken.star").write_text("def handle(req, config):\n    return tru\n")
        (addons / "old.py").write_text("class Handler: pass\n")
        assert proxy.set_mock_addon("GET", "/a", "nope") == "Addon not found: nope"
        assert re.fullmatch(r"Addon broken: .*/broken\.star:2:12: undefined: tru.*", proxy.set_mock_addon("GET", "/a", "broken"))
        assert "Starlark" in proxy.set_mock_addon("GET", "/a", "old")
        assert proxy.list_mocks() == {}

    def test_addon_that_fails(self, proxy, http, addons):
        (addons / "failing.star").write_text("def handle(req, config):\n    return 1 // 0\n")
        proxy.set_mock_addon("GET", "/f", "failing")
        answer = http.get(f"{API}/f")
        assert answer.status_code == 500
        assert re.match(r"Addon error: failing\.star:2:14: ", answer.json()["error"])

    def test_a_sequence_of_templates(self, proxy, http):
        proxy.set_mock_sequence("GET", "/s", [
            {"body_template": {"n": "{{counter(s)}}"}, "repeat": 2},
            {"status": 503, "headers": {"Retry-After": "{{state(wait, 5)}}"}},
        ])
        proxy.set_state("wait", 7)
        first, second, third = (http.get(f"{API}/s") for _ in range(3))
        assert second.json()["n"] == first.json()["n"] + 1
        assert (third.status_code, third.headers["Retry-After"]) == (503, "7")

    def test_rules_with_sequences_and_patches(self, proxy, http, upstream):
        proxy.set_mock_conditional("GET", "/r", [
            {"match": {"headers": {"X-Flaky": ""}}, "sequence": [{"status": 500, "repeat": 1}, {"status": 204}]},
            {"match": {"query": {"plan": "gold"}}, "patch": {"profile": {"plan": "gold"}}},
        ])
        assert [http.get(f"{API}/r", headers={"X-Flaky": "1"}).status_code for _ in range(3)] == [500, 204, 204]
        assert http.get(f"{upstream}/r?plan=gold").json()["profile"] == {"name": "Ada", "plan": "gold"}
        assert http.get(f"{upstream}/r").json()["profile"] == {"name": "Ada", "plan": "free"}


class TestScenarios:
    DOCUMENT = "endpoints:\n  GET /s: {body: {from: content}}\n  https://tariffs.example.com/t:\n    - response: {body: {host: kept}}\n"

    def test_content(self, proxy, http):
        proxy.set_mock("GET", "/gone")
        assert proxy.load_mock_scenario_content("a.yaml", self.DOCUMENT) == "Loaded 2 endpoint(s) from a.yaml"
        assert "GET /gone" not in proxy.list_mocks()
        assert http.get(f"{API}/s").json() == {"from": "content"}
        assert http.get("https://tariffs.example.com/t").json() == {"host": "kept"}

    def test_json(self, proxy, http):
        assert proxy.load_mock_scenario_content("a.json", '{"GET /j": {"status": 204}}') == "Loaded 1 endpoint(s) from a.json"
        assert http.get(f"{API}/j").status_code == 204

    def test_what_is_refused_changes_nothing(self, proxy):
        proxy.set_mock("GET", "/kept")
        assert proxy.load_mock_scenario_content("a.yaml", "GET /a: {body: [}").startswith("Failed to parse scenario: ")
        assert proxy.load_mock_scenario_content("a.yaml", "[1, 2]") == "Invalid scenario: expected a JSON/YAML object"
        assert proxy.load_mock_scenario_content("a.yaml", "endpoints: [1]") == "Invalid scenario: expected an object of endpoints"
        assert proxy.load_mock_scenario("none.yaml").startswith("Scenario file not found: ")
        assert proxy.load_mock_scenario("../../none.yaml").startswith("Invalid scenario path: must be within ")
        assert list(proxy.list_mocks()) == ["GET /kept"]

    def test_file_and_context_manager(self, proxy, http, tmp_path):
        # Only files in the exporter's directories are loaded by their path.
        elsewhere = tmp_path / "scenario.yaml"
        elsewhere.write_text(self.DOCUMENT)
        assert proxy.load_mock_scenario(str(elsewhere)) == f"Scenario file not found: {elsewhere}"
        mocks = proxy.load_mock_scenario("../none.yaml").removeprefix("Invalid scenario path: must be within ")
        path = type(tmp_path)(mocks) / "scenario.yaml"
        path.write_text(self.DOCUMENT)
        assert proxy.load_mock_scenario(str(path)).startswith("Loaded 2 endpoint(s) from ")
        with proxy.mock_scenario(str(path)):
            assert http.get(f"{API}/s").json() == {"from": "content"}
        assert proxy.list_mocks() == {}


class TestState:
    def test_values(self, proxy):
        for value in [1, 1.5, "text", None, True, [1, {"a": []}], {"b": {"c": "d"}}]:
            assert proxy.set_state("k", value) == "State set: k"
            assert proxy.get_state("k") == value
        proxy.set_state("other", 2)
        assert proxy.get_all_state() == {"k": {"b": {"c": "d"}}, "other": 2}
        assert proxy.get_state("none") is None
        assert proxy.clear_state() == "Cleared 2 state key(s)"
        assert proxy.get_all_state() == {}

    def test_templates_see_it(self, proxy, http):
        proxy.set_mock_template("GET", "/who", {"user": "{{state(user, nobody)}}", "all": "{{state(list)}}"})
        assert http.get(f"{API}/who").json() == {"user": "nobody", "all": None}
        proxy.set_state("user", {"name": "Ada"})
        proxy.set_state("list", [1, 2])
        assert http.get(f"{API}/who").json() == {"user": {"name": "Ada"}, "all": [1, 2]}

    def test_conditional_headers_can_be_dropped(self, proxy, http, upstream):
        ask = {"If-None-Match": '"a"'}
        assert http.get(f"{upstream}/c", headers=ask).json()["conditional"] == '"a"'
        proxy.set_state("strip_conditional_headers", True)
        assert http.get(f"{upstream}/c", headers=ask).json()["conditional"] is None


class TestCaptures:
    def test_event(self, proxy, http):
        proxy.set_mock("POST", "/e", status=201, body={"a": 1}, headers={"X-A": "b"})
        http.post("https://api.example.com/e?q=1&q=2&r=3", json={"in": 1}, headers={"X-Dup": "1"})
        (event,) = proxy.get_captured_requests()
        assert abs(event["timestamp"] - time.time()) < 60
        assert event["method"] == "POST"
        assert event["url"] == "https://api.example.com/e?q=1&q=2&r=3"
        assert event["path"] == "/e?q=1&q=2&r=3"
        assert {k.lower(): v for k, v in event["headers"].items()}["x-dup"] == "1"
        assert event["query"] == {"q": ["1", "2"], "r": ["3"]}
        assert json.loads(event["body"]) == {"in": 1}
        assert event["response_status"] == 201
        assert (event["was_mocked"], event["was_patched"]) == (True, False)
        assert isinstance(event["duration_ms"], int)
        assert event["response_size"] == len(event["response_body"])
        assert json.loads(event["response_body"]) == {"a": 1}
        assert event["response_body_file"] is None
        assert event["response_content_type"] == "application/json"
        assert {k.lower(): v for k, v in event["response_headers"].items()}["x-a"] == "b"
        assert event["response_is_binary"] is False

    def test_every_mode_is_captured(self, proxy, http, upstream):
        proxy.restart("passthrough")
        http.get(f"{upstream}/p")
        event = proxy.wait_for_request("GET", "/p", 5)
        assert (event["was_mocked"], event["response_status"]) == (False, 200)

    def test_unreachable(self, proxy, http, unused_port):
        assert http.get(f"http://127.0.0.1:{unused_port}/x").status_code == 502
        assert proxy.get_captured_requests()[0]["response_status"] == 0

    def test_binary_body(self, proxy, http):
        data = bytes(range(256)) * 4096
        proxy.upload_mock_file("big.bin", data)
        proxy.set_mock_file("GET", "/big.bin", "big.bin")
        http.get(f"{API}/big.bin")
        (event,) = proxy.get_captured_requests()
        assert event["response_is_binary"] is True
        assert event["response_size"] == len(data)
        assert event["response_body"] is None

    def test_wait(self, proxy, http):
        proxy.set_mock("GET", "/w")
        threading.Timer(0.2, lambda: http.get(f"{API}/w")).start()
        assert proxy.wait_for_request("GET", "/w", 10)["path"] == "/w"
        assert proxy.wait_for_request("GET", "/w", 0.1)["path"] == "/w"
        with pytest.raises(TimeoutError, match="Timed out waiting for GET /never after 0.1s"):
            proxy.wait_for_request("GET", "/never", 0.1)

    def test_watch(self, proxy, http):
        proxy.set_mock("GET", "/w*")
        http.get(f"{API}/w0")
        seen = []
        for event in proxy.watch_captured_requests():
            seen.append(event["path"])
            if len(seen) == 5:
                break
            http.get(f"{API}/w{len(seen)}")
        assert seen == ["/w0", "/w1", "/w2", "/w3", "/w4"]

    def test_context_manager(self, proxy, http):
        proxy.set_mock("GET", "/c")
        with proxy.capture() as capture:
            http.get(f"{API}/c")
            assert capture.assert_request_made("GET", "/c")["path"] == "/c"
        assert len(capture.requests) == 1
        with pytest.raises(AssertionError):
            proxy.assert_request_made("GET", "/never")
        assert proxy.clear_captured_requests() == "Cleared 1 captured request(s)"

    def test_export_reloads_and_answers_the_same(self, proxy, http, upstream):
        proxy.set_mock("GET", "/mocked", body={"m": 1})
        first = http.get(f"{upstream}/a?x=1").json()
        second = http.get(f"{upstream}/a?x=2").json()
        http.get(f"{API}/mocked")
        document, files = proxy.export_captured_scenario(exclude_mocked=True)
        assert "/mocked" not in document
        for name in files:
            data = proxy.get_captured_file(name)
            assert data
            proxy.upload_mock_file(name, data)
        loaded = proxy.load_mock_scenario_content("export.yaml", document)
        assert loaded.startswith("Loaded ")
        assert http.get(f"{upstream}/a?x=1").json() == first
        assert http.get(f"{upstream}/a?x=2").json() == second
        assert proxy.get_captured_requests()[-1]["was_mocked"] is True
        assert re.fullmatch(r"Removed \d+ spool file\(s\)|No spool directory found", proxy.clean_capture_spool())

    def test_many_captures_fit_into_one_message(self, proxy, http):
        proxy.set_mock("GET", "/big", body={"pad": "x" * 200_000})
        for _ in range(40):
            http.get(f"{API}/big")
        assert len(proxy.get_captured_requests()) == 40


class TestFiles:
    def test_certificate(self, proxy):
        assert proxy.get_ca_cert_path().endswith("/mitmproxy-ca-cert.pem") or "Start proxy once" in proxy.get_ca_cert_path()
        proxy.start("mock")
        assert proxy.get_ca_cert_path().endswith("/mitmproxy-ca-cert.pem")
        assert proxy.get_ca_cert().startswith("-----BEGIN CERTIFICATE-----")

    def test_flows(self, proxy):
        assert isinstance(proxy.list_flow_files(), list)
        with pytest.raises(DriverInvalidArgument, match="Invalid flow file name: '../x'"):
            proxy.get_flow_file("../x")

    def test_a_device_gets_the_certificate_from_the_proxy(self, proxy, http):
        assert http.get("http://mitm.it/cert/pem").text == proxy.get_ca_cert()

    def test_addons(self, proxy):
        assert isinstance(proxy.list_addons(), list)

    def test_streaming_upload_is_base64(self, proxy):
        data = b"\0\xff" * 500_000
        answer = proxy.call("upload_mock_file", "two-megabytes.bin", base64.b64encode(data).decode())
        assert answer == f"Uploaded: two-megabytes.bin ({len(data)} bytes)"


class TestProtocol:
    def test_tree_and_labels(self, root):
        assert list(root.children) == ["proxy"]
        assert root.proxy.labels["jumpstarter.dev/client"] == "jumpstarter_driver_mitmproxy.client.MitmproxyClient"

    def test_unknown_method(self, root):
        with pytest.raises(NotImplementedError):
            root.proxy.call("no_such_method")

    def test_too_many_arguments(self, root):
        with pytest.raises(ValueError, match="stop"):
            root.proxy.call("stop", 1)

    def test_many_clients_at_once(self, proxy, http):
        proxy.set_mock("GET", "/x")
        errors = []

        def work():
            try:
                for _ in range(20):
                    requests.Session.get(http, f"{API}/x")
                    proxy.status()
            except Exception as e:
                errors.append(e)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert errors == []
        assert len(proxy.get_captured_requests()) == 160
