"""The driver beside the unmodified client, through a session of jumpstarter.

The environment names the program: STARPROXY, or starproxy on PATH.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from datetime import date
from pathlib import Path

import pytest
from jumpstarter_driver_starproxy.driver import StarproxyDriver
from jumpstarter_driver_starproxy.process import StartError, find_binary

from jumpstarter.client.core import DriverError, DriverMethodNotImplemented
from jumpstarter.common.utils import serve


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def settings(tmp_path):
    return {
        "listen": {"host": "127.0.0.1", "port": free_port()},
        "web": {"host": "127.0.0.1", "port": free_port()},
        "directories": {"data": str(tmp_path / "data")},
        "unmatched": "reject",
        "mocks": {"GET /api/v1/health": {"status": 200, "body": {"ok": True}}},
    }


@pytest.fixture
def driver(settings):
    return StarproxyDriver(**settings)


@pytest.fixture
def client(driver):
    with serve(driver) as c:
        yield c


def get(settings, path):
    proxy = urllib.request.ProxyHandler({"http": f"http://127.0.0.1:{settings['listen']['port']}"})
    with urllib.request.build_opener(proxy).open(f"http://backend.example{path}", timeout=20) as r:
        return r.status, r.read()


def test_mocks_and_captures(client, settings):
    assert client.start("mock").startswith("Started in 'mock' mode")
    client.set_mock("GET", "/late", body={"late": True})
    assert get(settings, "/api/v1/health") == (200, b'{"ok":true}')
    assert get(settings, "/late")[0] == 200
    paths = [r["path"] for r in client.get_captured_requests()]
    assert paths == ["/api/v1/health", "/late"]


def test_streaming_call(client, settings):
    client.start("mock")
    get(settings, "/api/v1/health")
    for event in client.watch_captured_requests():
        assert event["path"] == "/api/v1/health"
        break


def test_byte_stream(client, settings):
    client.start("mock", web_ui=True)
    with client.stream("connect_web") as stream:
        stream.send(b"GET /?token=jumpstarter HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert stream.receive().startswith(b"HTTP/1.1 ")


def test_errors_are_intact(client):
    with pytest.raises(DriverMethodNotImplemented, match="method nothing not found on driver"):
        client.call("nothing")
    with pytest.raises(DriverError, match="port"):
        client.call("start", "mock", False, "", 99999)


def test_the_log_of_the_process_is_the_drivers(client, settings, caplog):
    caplog.set_level("INFO")
    script = Path(settings["directories"]["data"]) / "mock-responses" / "say.star"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text("""
def hello(req):
    print('a "quoted" word')
    return response(200)

endpoints = {"GET /hello": hello}
""")
    client.start("mock")
    assert client.load_mock_scenario("say.star").startswith("Loaded")
    assert get(settings, "/hello")[0] == 200
    deadline = time.monotonic() + 20
    while not (said := [r for r in caplog.records if 'a "quoted" word' in r.getMessage()]):
        assert time.monotonic() < deadline, caplog.text
        time.sleep(0.01)
    assert said[0].name == "driver.StarproxyDriver"
    assert said[0].levelname == "INFO"
    assert not said[0].getMessage().startswith("time=")


@pytest.mark.parametrize(
    "line, want",
    [
        (
            '{"time":"2026-01-01T00:00:00Z","level":"WARN","msg":"a \\"b\\"","n":1,"path":"/x","text":"two words","d":{"k":true}}',
            ("WARNING", 'a "b" n=1 path=/x text="two words" d={"k": true}'),
        ),
        ('{"level":"ERROR+2","msg":""}', ("ERROR", "")),
        ("plain words", ("WARNING", "plain words")),
        ('{"no": "record"}', ("WARNING", '{"no": "record"}')),
        ("[1]", ("WARNING", "[1]")),
        ("\udcff%s", ("WARNING", "\udcff%s")),
    ],
)
def test_lines_of_the_log(driver, caplog, line, want):
    caplog.set_level("INFO")
    driver.reset()
    try:
        caplog.clear()
        driver._process._pump_line(line)
        assert [(r.levelname, r.getMessage()) for r in caplog.records] == [want]
    finally:
        driver.close()


def test_a_service_manager_hears_the_exporter_alone(settings, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    driver = StarproxyDriver(**settings)
    driver.reset()
    try:
        assert b"NOTIFY_SOCKET" not in Path(f"/proc/{driver._process.pid}/environ").read_bytes()
    finally:
        driver.close()


def test_the_log_level_is_the_drivers(settings):
    driver = StarproxyDriver(log_level="ERROR", **settings)
    driver.reset()
    try:
        command = Path(f"/proc/{driver._process.pid}/cmdline").read_bytes().split(b"\0")
        assert command[command.index(b"--log-level") + 1] == b"error"
    finally:
        driver.close()


def test_a_process_that_dies_is_started_again(client, driver, settings):
    client.start("mock")
    os.kill(driver._process.pid, signal.SIGKILL)
    driver._process._popen.wait()
    assert client.status()["running"] is False
    client.start("mock")
    assert get(settings, "/api/v1/health")[0] == 200


def test_close_ends_the_process_and_frees_the_port(settings):
    driver = StarproxyDriver(**settings)
    with serve(driver) as client:
        client.start("mock")
        process = driver._process
    assert not process.alive()
    assert not os.path.exists(process.socket)
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", settings["listen"]["port"]))
    driver.close()  # once more


def test_no_thread_stays(settings):
    before = set(threading.enumerate())
    driver = StarproxyDriver(**settings)
    driver.reset()
    driver.reset()  # a ref to the driver has it called twice
    driver.close()
    driver.close()
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"listen": {"port": "x"}}, 'starproxy: config: listen.port: got the text "x", want a whole number'),
        ({"lissten": {}}, 'starproxy: config: unknown key "lissten"; did you mean "listen"?'),
        ({"seed": {1, 2}}, "config: got a value of type set, want text, numbers, lists and maps"),
        ({"seed": {(1, 2): 3}}, "config: keys must be str, int, float, bool or None, not tuple"),
        ({"binary": "no-such-program"}, "no-such-program is not found: install starproxy, "),
        ({"binary": 3}, "config: binary: got 3, want the path of a program"),
        ({"binary": "/bin/false"}, "starproxy ended (exit code 1)"),
        ({"start_timeout": "soon"}, "config: start_timeout: got 'soon', want a number of seconds"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(settings, wrong, message):
    with pytest.raises(StartError) as e:
        StarproxyDriver(**(settings | wrong)).reset()
    assert str(e.value).startswith(message)
    assert "\n" not in str(e.value)


def test_a_program_that_does_not_start(settings, tmp_path):
    binary = tmp_path / "slow"
    binary.write_text("#!/bin/sh\nexec sleep 60\n")
    binary.chmod(0o755)
    driver = StarproxyDriver(binary=str(binary), start_timeout=0.2, **settings)
    with pytest.raises(StartError, match=r"did not start within 0\.2 seconds"):
        driver.reset()
    assert driver._process is None


def test_a_crash_is_told_by_its_first_line(settings, tmp_path):
    binary = tmp_path / "crash"
    binary.write_text("#!/bin/sh\nprintf 'panic: boom\\n\\ngoroutine 1 [running]:\\nmain.main()\\n' >&2\nexit 2\n")
    binary.chmod(0o755)
    with pytest.raises(StartError) as e:
        StarproxyDriver(binary=str(binary), **settings).reset()
    assert str(e.value) == "starproxy ended (exit code 2): panic: boom"


@pytest.mark.parametrize("named", ["key", "variable", "path", "beside"])
def test_where_the_program_is_found(settings, tmp_path, monkeypatch, named):
    real = find_binary("")
    monkeypatch.delenv("STARPROXY", raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    (tmp_path / "bin").mkdir()
    link = tmp_path / "bin" / "starproxy"
    link.symlink_to(real)
    if named == "variable":
        monkeypatch.setenv("STARPROXY", str(link))
    if named == "path":
        monkeypatch.setenv("PATH", f"/usr/bin:{link.parent}")
    if named == "beside":
        monkeypatch.setattr(sys, "executable", str(link.with_name("python")))
    assert find_binary(str(link) if named == "key" else "") == str(link)


def test_dates_of_yaml(settings):
    settings["mocks"] = {"GET /d": {"status": 200, "body": {"day": date(2024, 2, 29)}}}
    with serve(StarproxyDriver(**settings)) as client:
        client.start("mock")
        assert get(settings, "/d")[1] == b'{"day":"2024-02-29"}'


def test_relative_directories_are_the_exporters(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings["directories"] = {"data": "here", "mocks": "mine"}
    with serve(StarproxyDriver(**settings)) as client:
        client.start("mock")
        assert client.get_ca_cert_path() == str(tmp_path / "here" / "conf" / "mitmproxy-ca-cert.pem")
        assert (tmp_path / "mine").is_dir()


def test_the_settings_do_not_stay_on_disk(client, driver):
    assert os.listdir(os.path.dirname(driver._process.socket)) == ["s"]
    assert os.stat(os.path.dirname(driver._process.socket)).st_mode & 0o777 == 0o700


@pytest.mark.parametrize("length", [10, 200])
def test_a_long_directory_for_temporary_files(settings, tmp_path, monkeypatch, length):
    runtime = tmp_path / ("r" * length)
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    driver = StarproxyDriver(**settings)
    driver.reset()
    try:
        assert len(driver._process.socket) < 108
    finally:
        driver.close()
    assert os.listdir(runtime) == []


def test_ctrl_c_is_for_the_session(client, driver):
    assert os.getpgid(driver._process.pid) != os.getpgrp()


def test_nothing_starts_behind_close(settings):
    driver = StarproxyDriver(**settings)
    driver.reset()
    driver.close()
    with pytest.raises(StartError, match="the session has ended"):
        driver._running()
    driver.reset()  # the next session
    assert driver._process.alive()
    driver.close()


def test_the_process_does_not_outlive_python(settings):
    program = (
        "import json, os, sys, signal\n"
        "from jumpstarter_driver_starproxy.driver import StarproxyDriver\n"
        "driver = StarproxyDriver(**json.loads(sys.argv[1]))\n"
        "driver.reset()\n"
        "print(driver._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    out = subprocess.run([sys.executable, "-c", program, json.dumps(settings)], stdout=subprocess.PIPE, text=True)
    pid = int(out.stdout)
    deadline = time.monotonic() + 20
    while os.path.exists(f"/proc/{pid}") and "Z" not in open(f"/proc/{pid}/stat").read().rsplit(")")[1][:3]:
        assert time.monotonic() < deadline, "the process still runs"
        time.sleep(0.01)
