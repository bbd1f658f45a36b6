"""The driver class that exporter files name."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import Any
from uuid import UUID

import grpc
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


_BASE = frozenset(f.name for f in fields(Driver) if f.init)


class StarproxyDriver(Driver):
    """Runs starproxy and forwards calls and streams to it.

    Keys of ``config:`` that are not named here are starproxy's own, those of
    the stock MitmproxyDriver among them. starproxy checks them when the
    session starts.
    """

    def __init__(self, *, binary: str = "", start_timeout: float = 30.0, **config: Any):
        """
        binary: the program to run; default $STARPROXY, else starproxy on PATH.
        start_timeout: seconds that the program may take to start.
        """
        super().__init__(**{k: v for k, v in config.items() if k in _BASE})
        self._binary = binary
        self._start_timeout = start_timeout
        self._settings = {k: v for k, v in config.items() if k not in _BASE}
        self._guard = threading.Lock()
        self._process: Process | None = None
        self._link: _Link | None = None

    @classmethod
    def client(cls) -> str:
        return "jumpstarter_driver_mitmproxy.client.MitmproxyClient"

    def reset(self):
        """Start the program, unless it runs."""
        super().reset()
        self._running()

    def close(self):
        """Stop the program. It may be called again."""
        with self._guard:
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
            process = self._process
            if process is not None and process.alive():
                return process
            if process is not None:
                self.logger.error("%s; it is started again, without the mocks of this session", process.why())
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

    async def DriverCall(self, request, context):
        """:meta private:"""
        try:
            link = await self._connected()
            return await link.exporter.DriverCall(
                jumpstarter_pb2.DriverCallRequest(uuid=link.uuid, method=request.method, args=request.args)
            )
        except StartError as e:
            failure = (grpc.StatusCode.UNAVAILABLE, str(e))
        except grpc.aio.AioRpcError as e:
            failure = (e.code(), e.details())
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
        except StartError as e:
            failure = (grpc.StatusCode.UNAVAILABLE, str(e))
        except grpc.aio.AioRpcError as e:
            failure = (e.code(), e.details())
        await context.abort(*failure)

    @asynccontextmanager
    async def Stream(self, request, context):
        """:meta private:"""
        try:
            link = await self._connected()
            remote = request.model_copy(update={"uuid": UUID(link.uuid)})
            call = link.router.Stream(metadata=[("request", remote.model_dump_json())])
            headers = await call.initial_metadata()
            if call.done():  # it was refused
                await context.abort(await call.code(), await call.details())
        except StartError as e:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(e))
        except grpc.aio.AioRpcError as e:
            await context.abort(e.code(), e.details())
        metadata = {k: v for k, v in headers or () if k in ("resource", "x_jmp_accept_encoding")}
        try:
            async with MetadataStream(stream=RouterStream(context=call), metadata=metadata) as stream:
                yield stream
        finally:
            call.cancel()


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
        report = await self.exporter.GetReport(empty_pb2.Empty(), wait_for_ready=True, timeout=30)
        for r in report.reports:
            if r.labels.get("jumpstarter.dev/name") == EXPORT:
                self.uuid = r.uuid

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
