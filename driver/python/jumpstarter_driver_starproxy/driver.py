"""The driver class that exporter files name."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

import grpc
from anyio import BrokenResourceError, EndOfStream
from google.protobuf import empty_pb2
from jumpstarter_protocol import jumpstarter_pb2, jumpstarter_pb2_grpc, router_pb2_grpc

from .process import EXPORT, Process, StartError, find_binary
from jumpstarter.driver import Driver
from jumpstarter.streams.metadata import MetadataStream
from jumpstarter.streams.router import RouterStream

_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # The socket is private to this process; a proxy variable is not for it.
    ("grpc.enable_http_proxy", 0),
]

# Seconds that a process whose connection broke may take to be gone.
_DEATH = 2.0

# The part of starproxy's own metadata in the trailers of a call: its clients read there
# whether the call did what was asked.
_OWN = "starproxy-"

_BASE = frozenset(f.name for f in fields(Driver) if f.init)


class StarproxyDriver(Driver):
    """Runs starproxy and forwards calls and streams to it.

    Keys of ``config:`` that are not named here are starproxy's own, those of
    the stock MitmproxyDriver among them. starproxy checks them when the
    session starts.
    """

    def __init__(self, *, binary: str = "", start_timeout: float = 30.0, **config: Any):
        """
        binary: the program to run; default $STARPROXY, else starproxy on PATH
            or beside this Python.
        start_timeout: seconds that the program may take to start.
        """
        super().__init__(**{k: v for k, v in config.items() if k in _BASE})
        if not isinstance(binary, str):
            raise StartError(f"config: binary: got {binary!r}, want the path of a program")
        if isinstance(start_timeout, bool) or not isinstance(start_timeout, int | float) or start_timeout <= 0:
            raise StartError(f"config: start_timeout: got {start_timeout!r}, want a number of seconds")
        self._binary = binary
        self._start_timeout = start_timeout
        self._settings = {k: v for k, v in config.items() if k not in _BASE}
        self._guard = threading.Lock()  # of what follows
        self._open = False
        self._process: Process | None = None
        self._link: _Link | None = None

    @classmethod
    def client(cls) -> str:
        return "jumpstarter_driver_mitmproxy.client.MitmproxyClient"

    def reset(self):
        """Start the program, unless it runs."""
        super().reset()
        with self._guard:
            self._open = True
        self._running()

    def close(self):
        """Stop the program. It may be called again."""
        with self._guard:
            self._open = False
            link, self._link = self._link, None
            process, self._process = self._process, None
        if link is not None:
            link.close()
        if process is not None:
            process.stop()
        super().close()

    def _running(self) -> Process:
        """The process, started anew if it has died."""
        with self._guard:
            if not self._open:
                raise StartError("the session has ended")
            process = self._process
            if process is not None and process.alive():
                return process
            if process is not None:
                self.logger.warning("starproxy is started again, without the mocks and captures of this session")
                process.stop()
            self._process = None
            self._process = Process(find_binary(self._binary), self._settings, self.logger, self._start_timeout)
            return self._process

    async def _connected(self) -> _Link:
        """The connection to the process, made on the server's event loop."""
        process = await asyncio.to_thread(self._running)
        link = self._link
        if link is None or link.process is not process:
            if link is not None:
                link.close()
            link = self._link = _Link(process)
        await link.ready()
        return link

    async def _failure(self, e: Exception) -> tuple[grpc.StatusCode, str]:
        """The status of a call for an error: the process's own, or that it has died."""
        if isinstance(e, StartError):
            return grpc.StatusCode.UNAVAILABLE, str(e)
        return await self._explained(e.code(), e.details())

    async def _explained(self, code: grpc.StatusCode, details: str) -> tuple[grpc.StatusCode, str]:
        """The status of a call of the process: its own, or that the process has died."""
        process = self._process
        # gRPC has two ways of telling that the connection broke.
        removed = code is grpc.StatusCode.UNKNOWN and (details or "").startswith("Stream removed")
        if (removed or code is grpc.StatusCode.UNAVAILABLE) and process is not None:
            if await asyncio.to_thread(process.ended, _DEATH):
                return grpc.StatusCode.UNAVAILABLE, f"{process.why()}; the next call starts it again"
        return code, details

    async def DriverCall(self, request, context):
        """:meta private:"""
        try:
            link = await self._connected()
            call = link.exporter.DriverCall(
                jumpstarter_pb2.DriverCallRequest(uuid=link.uuid, method=request.method, args=request.args)
            )
            reply = await call
            _pass_outcome(await call.trailing_metadata(), context)
            return reply
        except (StartError, grpc.aio.AioRpcError) as e:
            failure = await self._failure(e)
        await context.abort(*failure)

    async def StreamingDriverCall(self, request, context):
        """:meta private:"""
        try:
            link = await self._connected()
            call = link.exporter.StreamingDriverCall(
                jumpstarter_pb2.StreamingDriverCallRequest(uuid=link.uuid, method=request.method, args=request.args)
            )
            try:
                async for reply in call:
                    yield reply
            finally:
                call.cancel()
            return
        except (StartError, grpc.aio.AioRpcError) as e:
            failure = await self._failure(e)
        await context.abort(*failure)

    @asynccontextmanager
    async def Stream(self, request, context):
        """:meta private:"""
        call, failure = None, None
        try:
            link = await self._connected()
            remote = request.model_copy(update={"uuid": UUID(link.uuid)})
            call = link.router.Stream(metadata=[("request", remote.model_dump_json())])
            headers = await call.initial_metadata()
            if call.done():  # it was refused
                failure = await self._explained(await call.code(), await call.details())
        except (StartError, grpc.aio.AioRpcError) as e:
            failure = await self._failure(e)
        if failure is not None:
            await context.abort(*failure)

        async def broken(e: Exception | None):
            # The session ends a stream only when both sides have: its client
            # would wait for a process that has died.
            if isinstance(e, grpc.aio.AioRpcError) and not context.done():
                with suppress(grpc.aio.AbortError):
                    await context.abort(*await self._failure(e))

        metadata = {k: v for k, v in headers or () if k in ("resource", "x_jmp_accept_encoding")}
        try:
            async with _RemoteStream(stream=RouterStream(context=call), metadata=metadata, broken=broken) as stream:
                yield stream
        finally:
            call.cancel()


def _pass_outcome(trailers: grpc.aio.Metadata | None, context: grpc.aio.ServicerContext) -> None:
    """Put starproxy's own trailers of a call into the trailers of the session's call."""
    own = tuple((k, v) for k, v in trailers or () if k.startswith(_OWN))
    if own:
        context.set_trailing_metadata(own)


@dataclass(frozen=True, kw_only=True, slots=True)
class _RemoteStream(MetadataStream):
    """A byte stream of the process. broken is told the error that ends it."""

    broken: Callable[[Exception | None], Awaitable[None]]

    async def receive(self) -> bytes:
        try:
            return await self.stream.receive()
        except BrokenResourceError as e:
            cause = e.__cause__
        await self.broken(cause)
        raise EndOfStream


class _Link:
    """A connection to a process. It belongs to the event loop that made it."""

    def __init__(self, process: Process):
        self.process = process
        self._loop = asyncio.get_running_loop()
        self._channel = grpc.aio.insecure_channel(f"unix://{process.socket}", options=_OPTIONS)
        self.exporter = jumpstarter_pb2_grpc.ExporterServiceStub(self._channel)
        self.router = router_pb2_grpc.RouterServiceStub(self._channel)
        self.uuid = ""

    async def ready(self) -> None:
        """Learn which uuid the proxy has there."""
        if self.uuid:
            return
        report = await self.exporter.GetReport(empty_pb2.Empty(), timeout=30)
        for r in report.reports:
            if r.labels.get("jumpstarter.dev/name") == EXPORT:
                self.uuid = r.uuid
        if not self.uuid:
            raise StartError(f"starproxy exports no {EXPORT}: is the program at {self.process.socket} starproxy?")

    def close(self) -> None:
        """Close the connection, from whatever thread."""
        if self._loop.is_closed():
            return

        def begin():
            self._loop.create_task(self._channel.close())

        try:
            self._loop.call_soon_threadsafe(begin)
        except RuntimeError:
            pass  # the loop was closed meanwhile
