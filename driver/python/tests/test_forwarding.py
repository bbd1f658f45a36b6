"""How calls and streams pass, seen from both ends: the program is a fake."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path

import grpc
import pytest
from anyio import BrokenResourceError, EndOfStream
from jumpstarter_driver_starproxy.driver import StarproxyDriver
from jumpstarter_protocol import jumpstarter_pb2

from jumpstarter.client.core import DriverError
from jumpstarter.common.serde import decode_value, encode_value
from jumpstarter.common.streams import DriverStreamRequest
from jumpstarter.common.utils import serve


@pytest.fixture
def events(tmp_path, monkeypatch):
    path = tmp_path / "events"
    monkeypatch.setenv("FAKE_EVENTS", str(path))
    return path


@pytest.fixture
def driver(tmp_path, events):
    binary = tmp_path / "fake"
    script = Path(__file__).with_name("fake_exporter.py")
    binary.write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n')
    binary.chmod(0o755)
    return StarproxyDriver(binary=str(binary))


@pytest.fixture
def client(driver):
    with serve(driver) as c:
        yield c


def await_event(events, text):
    deadline = time.monotonic() + 30
    while not events.exists() or text not in events.read_text().splitlines():
        assert time.monotonic() < deadline, f"never: {text}"
        time.sleep(0.01)


class Wire:
    """Calls of the session without the client's own idea of errors."""

    def __init__(self, client):
        self._client = client

    def _status(self, use) -> tuple:
        async def run():
            try:
                await use()
            except grpc.aio.AioRpcError as e:
                return e.code(), e.details()

        return self._client.portal.call(run)

    def call(self, method, *args):
        request = jumpstarter_pb2.DriverCallRequest(
            uuid=str(self._client.uuid), method=method, args=[encode_value(a) for a in args]
        )
        return self._status(lambda: self._client.stub.DriverCall(request))

    def trailers(self, method):
        request = jumpstarter_pb2.DriverCallRequest(uuid=str(self._client.uuid), method=method)

        async def run():
            call = self._client.stub.DriverCall(request)
            await call
            return dict(await call.trailing_metadata())

        return self._client.portal.call(run)

    def streaming_call(self, method):
        request = jumpstarter_pb2.StreamingDriverCallRequest(uuid=str(self._client.uuid), method=method)

        async def use():
            async for _ in self._client.stub.StreamingDriverCall(request):
                pass

        return self._status(use)

    def stream(self, method):
        request = DriverStreamRequest(uuid=self._client.uuid, method=method).model_dump_json()

        async def use():
            async for _ in self._client.stub.Stream(metadata=[("request", request)]):
                pass

        return self._status(use)


@pytest.fixture
def wire(client):
    return Wire(client)


CODES = [c for c in grpc.StatusCode if c is not grpc.StatusCode.OK]


@pytest.mark.parametrize("code", CODES, ids=lambda c: c.name)
def test_codes_and_details(wire, code):
    assert wire.call("fail", code.name, "line: ä €") == (code, "line: ä €")


def test_the_outcome_of_a_call(wire):
    got = {k: v for k, v in wire.trailers("refuse").items() if k.startswith(("starproxy-", "other"))}
    assert got == {"starproxy-outcome": "NOT_FOUND", "starproxy-text-bin": "größer".encode()}


def test_an_error_behind_a_stream_of_results(client, wire):
    assert wire.streaming_call("fail") == (grpc.StatusCode.DATA_LOSS, "three were all")
    got = []
    with pytest.raises(DriverError, match="three were all"):
        for value in client.streamingcall("fail"):
            got.append(value)
    assert got == [0, 1, 2]


def test_a_refused_stream(wire):
    assert wire.stream("refuse") == (grpc.StatusCode.PERMISSION_DENIED, "no such stream for you")


def test_bytes_both_ways(client, events):
    with client.portal.wrap_async_context_manager(client.stream_async("connect")) as stream:
        receive, send = (lambda: client.portal.call(stream.receive)), (lambda b: client.portal.call(stream.send, b))
        for size in (1, 100_000):
            send(b"y" * size)
            got = b""
            while len(got) < size:
                got += receive()
            assert got == b"y" * size
        client.portal.call(stream.send_eof)
        assert receive() == b"bye"  # the other half stays open
    await_event(events, "stream ended")


def test_a_byte_stream_of_a_process_that_dies(client, driver, wire):
    with client.stream("connect") as stream:
        stream.send(b"y")
        assert stream.receive() == b"y"
        os.kill(driver._process.pid, signal.SIGKILL)
        driver._process._popen.wait()
        with pytest.raises((EndOfStream, BrokenResourceError)):
            while True:
                stream.receive()
    died = (grpc.StatusCode.UNAVAILABLE, "starproxy ended (exit code 3); the next call starts it again")
    assert wire.stream("die") == died


def test_a_call_that_is_given_up_is_cancelled(client, events):
    future = client.portal.start_task_soon(client.call_async, "slow")
    await_event(events, "slow began")
    future.cancel()
    with pytest.raises(CancelledError):
        future.result()
    await_event(events, "slow cancelled")


def test_a_stream_that_is_given_up_is_cancelled(client, events):
    request = jumpstarter_pb2.StreamingDriverCallRequest(uuid=str(client.uuid), method="watch")

    async def begin():
        call = client.stub.StreamingDriverCall(request)
        return call, [decode_value((await call.read()).result) for _ in range(3)]

    call, got = client.portal.call(begin)
    assert got == [0, 1, 2]
    await_event(events, "watch began")
    client.portal.call(call.cancel)
    await_event(events, "watch cancelled")


def test_a_process_that_dies_in_a_call(client, wire, events, caplog):
    died = (grpc.StatusCode.UNAVAILABLE, "starproxy ended (exit code 3); the next call starts it again")
    assert wire.call("die") == died
    assert wire.streaming_call("die") == died
    assert client.call("large", 10) == "x" * 10
    assert events.read_text().count("started") == 3
    assert [r.levelname for r in caplog.records if r.getMessage() == died[1]] == ["ERROR", "ERROR"]


def test_a_process_that_listens_after_its_socket_is_there(driver, monkeypatch):
    monkeypatch.setenv("FAKE_LATE", "1")
    with serve(driver) as client:
        assert client.call("large", 10) == "x" * 10


def test_large_results_reach_this_side(client, wire):
    """The client's own limit is what is left."""
    assert len(client.call("large", 4_000_000)) == 4_000_000
    assert wire.call("large", 5_000_000)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_many_calls_at_once_start_one_process(driver, client, events):
    os.kill(driver._process.pid, signal.SIGKILL)
    driver._process._popen.wait()
    threads = [threading.Thread(target=client.call, args=("large", 1)) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert events.read_text().count("started") == 2
