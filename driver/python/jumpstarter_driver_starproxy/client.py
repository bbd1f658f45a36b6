"""A typed client of starproxy. It has what the stock MitmproxyClient has, and the rest."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jumpstarter_driver_mitmproxy.client import MitmproxyClient

from .methods import Methods
from jumpstarter.client.core import DriverError

# How starproxy tells in the trailers of a call whether it did what was asked.
_OUTCOME = "starproxy-outcome"
_TEXT = "starproxy-text-bin"
_DONE = "OK"


class Refused(DriverError):
    """starproxy did not do what was asked. The text says why."""


class StarproxyClient(MitmproxyClient, Methods):
    """The client of a starproxy.

    An exporter names the stock class as the client of a proxy, so this one is made of it::

        proxy = StarproxyClient.of(client.proxy)
    """

    begun: str = ""
    """The mark after which exchanges, bundle and expect look when they are given none."""

    @classmethod
    def of(cls, client: MitmproxyClient) -> StarproxyClient:
        """Return a client of the same proxy as a stock client, over the same connection."""
        if isinstance(client, cls):
            return client
        return cls(
            uuid=client.uuid,
            labels=client.labels,
            stub=client.stub,
            portal=client.portal,
            stack=client.stack,
            children=client.children,
            description=client.description,
            methods_description=client.methods_description,
        )

    def __repr__(self) -> str:
        return f"<StarproxyClient {self.labels.get('jumpstarter.dev/name', '')}>"

    def must(self, method: str, *args: Any) -> Any:
        """Call a method, and raise Refused when starproxy does not do what is asked.

        The functions of the stock client return a sentence then, which has no form that a
        program could tell from success.
        """
        twin = copy.copy(self)
        twin.stub = _Listener(self.stub)
        result = twin.call(method, *args)
        trailers = dict(self.portal.call(twin.stub.trailers))
        if trailers.get(_OUTCOME, _DONE) == _DONE:
            return result
        text = trailers.get(_TEXT, result)
        raise Refused(text.decode(errors="replace") if isinstance(text, bytes) else str(text))

    # The way of devices through the proxy.

    @property
    def address(self) -> str:
        """The URL of the proxy for devices, such as http://127.0.0.1:8080; empty while it is stopped."""
        at = self.status()["proxy_address"]
        return f"http://{at}" if at else ""

    @contextmanager
    def on_network(self, profile: str | dict, host: str = "", client: str = "") -> Iterator[StarproxyClient]:
        """Put devices on a network while the block runs: see set_network."""
        self.set_network(profile, host, client)
        try:
            yield self
        finally:
            self.clear_network(host, client)

    @contextmanager
    def tls_fault(self, host: str, fault: str | dict) -> Iterator[StarproxyClient]:
        """Let TLS handshakes for a host meet a fault while the block runs: see set_tls_fault."""
        self.set_tls_fault(host, fault)
        try:
            yield self
        finally:
            self.clear_tls_faults(host)

    @contextmanager
    def fault_plan(self, name: str, plan: str | dict) -> Iterator[StarproxyClient]:
        """Let requests meet a fault while the block runs: see set_fault_plan."""
        self.set_fault_plan(name, plan)
        try:
            yield self
        finally:
            self.clear_fault_plans(name)

    @contextmanager
    def clock(self, time: str, frozen: bool = False) -> Iterator[StarproxyClient]:
        """Turn the clock while the block runs: see set_clock."""
        self.set_clock(time, frozen)
        try:
            yield self
        finally:
            self.reset_clock()

    # The session.

    def mark(self) -> str:
        """Return the number of the latest exchange: a mark for since of exchanges, bundle and expect."""
        return str(self.list_captures(limit=1)["last"])

    def exchanges(self, since: str | None = None, filter_expr: str = "") -> list[dict]:
        """Return the captured exchanges after a mark in rows, the oldest first: see list_captures."""
        first = int((self.begun if since is None else since) or 0)
        rows: list[dict] = []
        before = 0
        while True:
            page = self.list_captures(filter_expr, "", before, 5000)["rows"]
            fresh = [row for row in page if row["seq"] > first]
            rows = fresh + rows
            if not fresh or len(fresh) < len(page):
                return rows
            before = page[0]["seq"]

    def bundle(self, path: str | os.PathLike, since: str | None = None, filter_expr: str = "", unmask: bool = False) -> Path:
        """Save all that is known of the session into one file: see save_bundle.

        Nothing is left at the path when it fails.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with part.open("wb") as f:
                for piece in self.save_bundle(self.begun if since is None else since, filter_expr, unmask):
                    f.write(piece)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return path

    def expect(
        self, expectations: str | dict | list | Path, since: str | None = None, timeout: float = 0.0, filename: str = "expectations"
    ) -> dict:
        """Raise AssertionError unless all expectations hold for the exchanges after a mark.

        expectations: a list of them or one, or the same as JSON or YAML text, or the path of such
            a file.
        timeout: seconds to wait for all to hold.
        filename: the name for places in a text.

        The verdicts are returned. The text of the error has the exchanges that count.
        """
        __tracebackhide__ = True
        if isinstance(expectations, Path):
            filename = expectations.name
            expectations = expectations.read_text(encoding="utf-8")
        report = super().expect(expectations, self.begun if since is None else since, timeout, filename)
        failures = [f"{v['place']}: {v['name']}: {f}" for v in report["expectations"] for f in v.get("failures") or []]
        if not report["ok"]:
            raise AssertionError("\n".join([f"expectations do not hold, in {report['checked']} exchanges:", *failures]))
        return report


class _Listener:
    """A stub that keeps the call made with it."""

    def __init__(self, stub: Any):
        self._stub = stub
        self._call: Any = None

    def DriverCall(self, request):
        self._call = self._stub.DriverCall(request)
        return self._call

    async def trailers(self) -> Sequence[tuple[str, str | bytes]]:
        """Return the metadata that came after the answer."""
        return tuple(await self._call.trailing_metadata() or ())

