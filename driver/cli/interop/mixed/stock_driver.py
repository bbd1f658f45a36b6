"""A driver, with its client, for the comparison with the stock exporter."""

import hashlib
import os
from contextlib import asynccontextmanager
from dataclasses import field
from typing import Any

import anyio
from anyio import EndOfStream
from anyio.streams.stapled import StapledObjectStream
from jumpstarter.driver import Driver, export, exportstream
from jumpstarter_driver_composite.client import CompositeClient
from jumpstarter_driver_power.driver import MockPower
from pydantic.dataclasses import dataclass

FAILURES = {
    "not implemented": NotImplementedError, "value": ValueError, "timeout": TimeoutError, "connection": ConnectionError,
    "file": FileNotFoundError, "key": KeyError, "other": RuntimeError,
}


class StockClient(CompositeClient):
    """Calls what it is asked to."""

    def checksum(self, stream, encoding=None):
        """Gives the driver a byte stream of ours, and returns what it makes of it."""
        async def lend():
            async with self.resource_async(stream, encoding) as handle:
                return await self.call_async("checksum", handle)
        return self.portal.call(lend)


@dataclass(kw_only=True)
class Stock(Driver):
    # The file that is told what happens to the driver.
    journal: str

    def __post_init__(self):
        super().__post_init__()
        self.children["inner"] = MockPower()  # as drivers of whole boards make theirs

    @classmethod
    def client(cls):
        return "stock_driver.StockClient"

    def tell(self, what):
        with open(self.journal, "a") as f:
            f.write(what + "\n")

    def reset(self):
        self.tell("reset")
        super().reset()

    def close(self):
        self.tell("close")
        super().close()

    @export
    def echo(self, *values):
        return list(values)

    @export
    def pid(self):
        return os.getpid()

    @export
    def fail(self, kind, text):
        raise FAILURES[kind](text)

    @export
    async def half(self):
        yield "one"
        raise ValueError("broke after one")

    @export
    async def forever(self):
        try:
            yield "first"
            await anyio.sleep_forever()
        finally:
            self.tell("forever left")

    @export
    async def hold(self):
        try:
            await anyio.sleep_forever()
        finally:
            self.tell("hold left")

    @export
    def say(self, text):
        self.logger.info(text)
        self.logger.error("but " + text)
        print("printed " + text)

    @exportstream
    @asynccontextmanager
    async def mirror(self):
        """Sends everything back, and a word when the other side has ended."""
        near_out, near = anyio.create_memory_object_stream(8)
        far, far_in = anyio.create_memory_object_stream(8)

        async def reflect():
            async with far_in, near_out:
                try:
                    while True:
                        await near_out.send((await far_in.receive())[::-1])
                except EndOfStream:
                    await near_out.send(b"bye")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reflect)
            stream = StapledObjectStream(far, near)
            try:
                yield stream
            finally:
                tasks.cancel_scope.cancel()
                self.tell("mirror left")

    @export
    async def checksum(self, handle: Any):
        digest, size = hashlib.sha256(), 0
        async with self.resource(handle) as stream:
            async for chunk in stream:
                digest.update(chunk)
                size += len(chunk)
        return [size, digest.hexdigest()]
