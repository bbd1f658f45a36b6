"""Drivers of Python in an exporter, by unmodified clients.

The suite runs against the stock exporter too, which says what has to come out.
"""

import asyncio
import gzip
import hashlib
import os
import pathlib
import socket
import time

import anyio
import pytest
from anyio.streams.file import FileReadStream
from jumpstarter.client.core import DriverError, DriverInvalidArgument, DriverMethodNotImplemented
from jumpstarter.common.utils import env


@pytest.fixture(scope="module")
def root():
    with env() as root:
        yield root


@pytest.fixture
def bench(root):
    return root.bench


def journal():
    return pathlib.Path(os.environ["BENCH_JOURNAL"]).read_text().splitlines()


def await_line(line, already):
    """Waits for one more line in the driver's journal."""
    end = time.monotonic() + 10
    while journal().count(line) <= already:
        assert time.monotonic() < end, f"no new {line!r} in {journal()}"
        time.sleep(0.01)


class TestCalls:
    @pytest.mark.parametrize(("kind", "error", "code"), [
        ("not implemented", DriverMethodNotImplemented, "UNIMPLEMENTED"),
        ("value", DriverInvalidArgument, "INVALID_ARGUMENT"),
        ("timeout", DriverError, "DEADLINE_EXCEEDED"),
        ("connection", DriverError, "UNKNOWN"),
        ("file", DriverError, "UNKNOWN"),
        ("other", DriverError, "UNKNOWN"),
    ])
    def test_errors(self, bench, kind, error, code):
        with pytest.raises(DriverError) as e:
            bench.call("fail", kind, "the reason:\n  of two lines, ä")
        assert type(e.value) is error
        assert str(e.value).startswith(f"DriverCall 'fail' failed with gRPC {code}: the reason:\n  of two lines, ä")

    def test_unknown_method(self, bench):
        with pytest.raises(DriverMethodNotImplemented, match="method nothing not found on driver"):
            bench.call("nothing")
        with pytest.raises(DriverMethodNotImplemented, match="method tell missing marker marker_drivercall"):
            bench.call("tell")

    def test_cancel(self, root, bench):
        before = journal().count("hold left")

        async def leave():
            call = asyncio.create_task(bench.call_async("hold"))
            await asyncio.sleep(0.3)
            call.cancel()
            await asyncio.wait([call])

        bench.portal.call(leave)
        await_line("hold left", before)


class TestStreamingCalls:
    def test_error(self, bench):
        items = bench.streamingcall("half")
        assert next(items) == "one"
        with pytest.raises(DriverInvalidArgument, match="broke after one"):
            next(items)

    def test_leave(self, bench):
        before = journal().count("forever left")

        async def leave():
            stream = bench.streamingcall_async("forever")
            assert await anext(stream) == "first"
            call = asyncio.create_task(anext(stream))
            await asyncio.sleep(0.1)
            call.cancel()
            await asyncio.wait([call])

        bench.portal.call(leave)
        await_line("forever left", before)


class TestStreams:
    def test_half_close(self, bench):
        async def talk():
            async with bench.stream_async("mirror") as s:
                await s.send(b"abc")
                assert await s.receive() == b"cba"
                await s.send_eof()
                assert await s.receive() == b"bye"
                with pytest.raises(anyio.EndOfStream):
                    await s.receive()

        bench.portal.call(talk)

    def test_forward(self, root):
        from jumpstarter_driver_network.adapters import TcpPortforwardAdapter
        with TcpPortforwardAdapter(client=root.network) as (host, port):
            with socket.create_connection((host, port), timeout=20) as s:
                s.sendall(b"hello")
                assert s.recv(5) == b"hello"

    def test_refused(self, root):
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            with root.bench.stream("nothing") as s:
                s.receive()


class TestResources:
    @pytest.mark.parametrize("encoding", [None, "gzip"])
    def test_encoding(self, bench, tmp_path, encoding):
        plain = os.urandom(1 << 16) * 16
        path = tmp_path / "image"
        path.write_bytes(gzip.compress(plain) if encoding else plain)

        async def source():
            return await FileReadStream.from_path(path)

        got = bench.checksum(bench.portal.call(source), encoding)
        assert got == [len(plain), hashlib.sha256(plain).hexdigest()]
