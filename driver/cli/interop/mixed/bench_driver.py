"""A driver, and its client, that do what a bench must survive."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from anyio import create_memory_object_stream
from anyio.streams.stapled import StapledObjectStream
from jumpstarter.client import DriverClient
from jumpstarter.driver import Driver, export, exportstream


class BenchClient(DriverClient):
    def ask(self, method, *args):
        return self.call(method, *args)

    def follow(self, method, *args):
        return self.streamingcall(method, *args)


@dataclass(kw_only=True)
class Part(Driver):
    """A driver that no exporter file names."""

    @classmethod
    def client(cls):
        return "bench_driver.BenchClient"

    @export
    def whoami(self) -> str:
        return "a part"


@dataclass(kw_only=True)
class Bench(Driver):
    notes: str = ""  # a file that tells when the driver was reset and closed
    slow_close: float = 0
    ended: list = field(default_factory=list, init=False)

    @classmethod
    def client(cls):
        return "bench_driver.BenchClient"

    def __post_init__(self):
        super().__post_init__()
        self.children["inner"] = Part()
        self.note("made")

    def note(self, text):
        if self.notes:
            with open(self.notes, "a") as f:
                f.write(f"{text} {os.getpid()}\n")

    def reset(self):
        self.note("reset")
        super().reset()

    def close(self):
        time.sleep(self.slow_close)
        self.note("closed")
        self.logger.warning("closing has its say")
        super().close()

    @export
    def echo(self, value):
        return value

    @export
    def fail(self, kind: str):
        raise {"value": ValueError, "missing": NotImplementedError, "time": TimeoutError, "other": RuntimeError}[kind](
            f"no {kind}\nin two lines"
        )

    @export
    def say(self, text: str):
        print("printed:", text)
        self.logger.info("logged: %s", text)
        os.system("echo '{\"id\": 99}'; echo from a child")

    @export
    async def count(self, to: int) -> AsyncGenerator[int, None]:
        try:
            for i in range(int(to)):  # numbers come as floats
                yield i
                await asyncio.sleep(0.001)
        finally:
            self.ended.append(int(to))

    @export
    def ends(self) -> list:
        return self.ended

    @export
    async def count_and_fail(self) -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("after one")

    @exportstream
    @asynccontextmanager
    async def shout(self):
        """A stream that repeats in capitals until its client has sent all."""
        to_client, client_end = create_memory_object_stream[bytes](32)
        from_client, driver_end = create_memory_object_stream[bytes](32)

        async def repeat():
            async for chunk in driver_end:
                await to_client.send(chunk.upper())
            await to_client.aclose()

        task = asyncio.create_task(repeat())
        try:
            async with StapledObjectStream(from_client, client_end) as stream:
                yield stream
        finally:
            task.cancel()

    @export
    def die(self):
        print("out of luck", file=sys.stderr, flush=True)
        os._exit(3)

    @export
    def block(self, seconds: float):
        self.note("blocked")
        time.sleep(seconds)

    @export
    def quit(self):
        sys.exit(4)
