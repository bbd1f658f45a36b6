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

import pytest
from jumpstarter_driver_starproxy.driver import StarproxyDriver
from jumpstarter_driver_starproxy.process import StartError

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


def test_a_process_that_dies_is_started_again(client, driver, settings):
    client.start("mock")
    os.kill(driver._process._popen.pid, signal.SIGKILL)
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


def test_wrong_settings_are_named(settings):
    settings["listen"]["port"] = "x"
    with pytest.raises(StartError, match=r"listen\.port: .*found the text \"x\""):
        StarproxyDriver(**settings).reset()


def test_a_key_that_nobody_knows(settings):
    with pytest.raises(StartError, match="lissten"):
        StarproxyDriver(lissten={}, **settings).reset()


def test_a_program_that_is_not_there(settings):
    with pytest.raises(StartError, match="no-such-program is not found"):
        StarproxyDriver(binary="no-such-program", **settings).reset()


def test_the_process_does_not_outlive_python(settings):
    program = (
        "import json, os, sys, signal\n"
        "from jumpstarter_driver_starproxy.driver import StarproxyDriver\n"
        "driver = StarproxyDriver(**json.loads(sys.argv[1]))\n"
        "driver.reset()\n"
        "print(driver._process._popen.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    out = subprocess.run([sys.executable, "-c", program, json.dumps(settings)], stdout=subprocess.PIPE, text=True)
    pid = int(out.stdout)
    deadline = time.monotonic() + 20
    while os.path.exists(f"/proc/{pid}") and "Z" not in open(f"/proc/{pid}/stat").read().rsplit(")")[1][:3]:
        assert time.monotonic() < deadline, "the process still runs"
        time.sleep(0.01)
