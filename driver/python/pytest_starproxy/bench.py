"""The proxy as a test finds it: fresh, and with what its marks ask for."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jumpstarter_driver_starproxy.client import StarproxyClient
from pytest import Mark

from .exporter import OwnExporter, SharedExporter, Unusable
from jumpstarter.client.core import DriverError, DriverMethodNotImplemented

# The event from which plans of faults can count, as since: test.
_EVENT = "test"

# The name of a plan of faults that has none.
_PLAN = "test-plan"


@dataclass(frozen=True)
class Wishes:
    """What ``@pytest.mark.starproxy(…)`` asks for."""

    scenario: str | os.PathLike | dict | None = None
    """A file beside the test or below the root of the tests, a name on the exporter, or the document itself."""
    seed: int | None = None
    """The random values of scenarios and scripts are those of this number. Only for an exporter of the run's own."""
    network: str | dict | None = None
    """A profile such as "edge", or an object as set_network takes it."""
    clock: str | datetime | dict | None = None
    """A time or a duration as set_clock takes it, or {"time": …, "frozen": True}."""
    tls: str | dict | None = None
    """A fault for the handshakes of all hosts, or a dictionary from host to fault."""
    faults: str | dict | list | None = None
    """A plan of faults, or a list of them, as set_fault_plan takes it."""
    state: dict | None = None
    """Keys of the shared state and their values."""
    mode: str | None = None
    """mock, passthrough or record; as it was before the tests when it is not given."""
    fresh: bool = True
    """Whether mocks, state, clock and faults of earlier tests are removed."""

    @classmethod
    def of(cls, marks: list[Mark]) -> Wishes:
        """Return the wishes of marks, the closest to the test first."""
        merged: dict[str, Any] = {}
        for mark in reversed(marks):
            if mark.args:
                raise Unusable(f"pytest.mark.starproxy: got {mark.args[0]!r} without a keyword")
            merged |= mark.kwargs
        names = [f.name for f in fields(cls)]
        for name in merged:
            if name not in names:
                raise Unusable(f"pytest.mark.starproxy: got the keyword {name!r}, want {', '.join(names)}")
        return cls(**merged)


@dataclass(frozen=True)
class _Base:
    """What the proxy had before the tests."""

    mode: str
    was_running: bool
    scenario: str | None
    mocks: dict


class Bench:
    """The proxy that the tests of this process use one after the other."""

    def __init__(self, exporter: SharedExporter | OwnExporter):
        self._exporter = exporter
        exporter.ending = self._end
        self._base: _Base | None = None
        self._kept: dict | None = None  # the coverage when the last test began, in case the proxy dies
        self.coverage: list[dict] = []
        """The reports of mock_coverage, one of each proxy that has ended."""

    @property
    def client(self) -> StarproxyClient:
        """The client of the proxy. It is another one after a begin with another seed."""
        return self._exporter.client

    def death(self) -> str:
        """Return how the program of the proxy has ended, empty while it runs."""
        return self._exporter.death()

    def begin(self, wishes: Wishes, places: list[Path]) -> str:
        """Set the proxy up for a test, and return the mark at which the test begins.

        places are the directories in which the scenario may be.
        """
        if self._exporter.ready(wishes.seed):
            self._base = None
            if self._kept is not None:  # the proxy died
                self.coverage.append(self._kept)
        self._kept = None if self._base is None else self._report()
        fresh = wishes.fresh
        if self._base is None:
            self._base = self._look(fresh)
        self._set_mode(wishes.mode or self._base.mode)
        if fresh:
            self._refresh(self._base)
        self._grant(wishes, places)
        self.client.mark_event(_EVENT)
        return self.client.mark()

    def _look(self, fresh: bool) -> _Base:
        """Return what the proxy has at the beginning."""
        proxy = self.client
        status = proxy.status()
        if not status["running"]:
            self._set_mode("mock")
        if fresh:
            proxy.reset_mocks()
        _optional(proxy.call, "reset_coverage")
        return _Base(
            mode=status["mode"] if status["running"] else "mock",
            was_running=status["running"],
            scenario=proxy.status().get("scenario"),
            mocks=proxy.list_mocks(),
        )

    def _set_mode(self, mode: str) -> None:
        status = self.client.status()
        if not status["running"]:
            self.client.must("start", mode)
        elif status["mode"] != mode:
            self.client.must("restart", mode)

    def _refresh(self, base: _Base) -> None:
        """Remove what tests before have set."""
        proxy = self.client
        proxy.reset_mocks()
        proxy.reset_scenario_states()
        proxy.clear_state()
        proxy.reset_clock()
        if proxy.list_mocks() == base.mocks:
            return
        # A test has loaded another scenario, or removed all mocks. Those of the configuration are
        # laid over the scenario by the start.
        try:
            if base.scenario and os.path.isabs(base.scenario):
                proxy.must("load_mock_scenario", base.scenario)
            else:
                proxy.must("load_mock_scenario_content", "none.json", "{}")
            proxy.must("restart")
            # A scenario that was uploaded has no file to load again.
            now = proxy.list_mocks()
            for key, definition in base.mocks.items():
                if now.get(key) != definition:
                    proxy.put_mock(key, json.dumps(definition))
        except DriverError as e:
            raise Unusable(f"the mocks that were in force before the tests cannot be had again: {e}") from None

    def _grant(self, wishes: Wishes, places: list[Path]) -> None:
        proxy = self.client
        if wishes.scenario is not None:
            self._load(wishes.scenario, places)
        for key, value in (wishes.state or {}).items():
            proxy.set_state(key, value)
        match wishes.clock:
            case None:
                pass
            case dict() as clock:
                proxy.set_clock(**(clock | {"time": _time(clock.get("time", ""))}))
            case clock:
                proxy.set_clock(_time(clock))
        if wishes.network is not None:
            proxy.set_network(wishes.network)
        for host, fault in _tls(wishes.tls).items():
            proxy.set_tls_fault(host, fault)
        match wishes.faults:
            case None:
                pass
            case list() as plans:
                proxy.set_fault_plan("", plans)
            case dict() as plan:
                proxy.set_fault_plan(plan.get("name", _PLAN), plan)
            case kind:
                proxy.set_fault_plan(_PLAN, kind)

    def _load(self, scenario: str | os.PathLike | dict, places: list[Path]) -> None:
        if isinstance(scenario, dict):
            self.client.must("load_mock_scenario_content", "scenario.json", json.dumps(scenario))
            return
        for place in places:
            path = place / scenario
            if path.exists() and self._exporter.own:
                self.client.must("load_mock_scenario", str(path.resolve()))
                return
            if path.is_file():
                self.client.must("load_mock_scenario_content", path.name, path.read_text(encoding="utf-8"))
                return
        self.client.must("load_mock_scenario", os.fspath(scenario))

    def close(self) -> None:
        """Leave the proxy as it was, and end what was begun for the tests."""
        self._exporter.close()

    def _report(self) -> dict | None:
        """Return the coverage of the mocks, None when the exporter does not know it."""
        report = _optional(self.client.call, "mock_coverage", True)
        return None if report is None else json.loads(report)

    def _end(self) -> None:
        if self._base is None:
            return
        self._kept = None
        report = self._report()
        if report is not None:
            self.coverage.append(report)
        if not self._exporter.own:
            self._refresh(self._base)
            if self._base.was_running:
                self._set_mode(self._base.mode)
            else:
                self.client.stop()


def _optional(call, method: str, *args: Any) -> Any:
    """Call a method that starproxy may lack, and return None then."""
    try:
        return call(method, *args)
    except DriverMethodNotImplemented:
        return None


def _time(value: str | datetime) -> str:
    """Return a time as set_clock reads it. One without a zone is local time."""
    return value.astimezone(timezone.utc).isoformat() if isinstance(value, datetime) else value


def _tls(faults: str | dict | None) -> dict:
    """Return faults by host."""
    if faults is None:
        return {}
    if isinstance(faults, str) or "kind" in faults:
        return {"*": faults}
    return faults

