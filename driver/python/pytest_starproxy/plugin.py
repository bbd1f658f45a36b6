"""The options, the fixture and the hooks of the plugin.

All that needs Jumpstarter is imported when the first test asks for the fixture, so that other
runs of pytest in the same environment stay as fast as they are.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .coverage import lines, merged

if TYPE_CHECKING:
    from jumpstarter_driver_starproxy.client import StarproxyClient

    from .bench import Bench

# The key of the coverage in what a worker of pytest-xdist reports.
_COVERAGE = "starproxy_coverage"

_PROPERTY = "starproxy_bundle"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("starproxy", "starproxy: the proxy between devices and servers")
    group.addoption(
        "--starproxy-bundle",
        choices=["on", "off", "always"],
        default="on",
        help="save the session of each failed test into one file (on, the default), of none (off), or of each test (always)",
    )
    for name, value, text in [
        ("bundle-dir", "DIR", "where bundles are saved; default starproxy-bundles beside the HTML or JUnit report, or in the rootdir"),
        ("binary", "PROGRAM", "the starproxy to start when there is no JUMPSTARTER_HOST; default $STARPROXY, or starproxy on PATH"),
        ("config", "FILE", "YAML file with the keys of config: for the starproxy that is started"),
        ("proxy", "NAME", "the proxy to use of the exporter of JUMPSTARTER_HOST"),
    ]:
        group.addoption(f"--starproxy-{name}", metavar=value, default="", help=text)
        parser.addini(f"starproxy_{name.replace('-', '_')}", help=text, default="")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "starproxy(scenario, seed, network, clock, tls, faults, state, mode, fresh): let the test have a proxy that is set up so.",
    )
    config.pluginmanager.register(_Run(config), "starproxy-run")


def _setting(config: pytest.Config, name: str) -> str:
    return config.getoption(f"starproxy_{name}") or config.getini(f"starproxy_{name}")


@pytest.fixture
def starproxy(request: pytest.FixtureRequest) -> StarproxyClient:
    """The proxy, started and set up for this test: a StarproxyClient.

    It is that of JUMPSTARTER_HOST, or of an exporter of the run's own. Mocks, state, clock and
    faults of earlier tests are gone; @pytest.mark.starproxy(…) sets others.
    """
    run: _Run = request.config.pluginmanager.get_plugin("starproxy-run")
    return run.begin(request.node)


@dataclass
class _Began:
    """A test that has the fixture."""

    proxy: StarproxyClient
    mark: str
    told: bool = False
    """Whether its bundle and its exchanges are in a report."""


_BEGAN = pytest.StashKey[_Began]()


class _Run:
    """The part of a run of pytest that one process has."""

    def __init__(self, config: pytest.Config):
        self._config = config
        self._bench: Bench | None = None
        self._unusable = ""  # why there is no proxy
        self._problem = ""  # what went wrong at the end
        self._coverage: list[dict] = []
        self._bundles: list[str] = []

    def begin(self, item: pytest.Item) -> StarproxyClient:
        """Set the proxy up for a test."""
        from .bench import Wishes
        from .exporter import Unusable
        from jumpstarter.client.core import DriverError

        problem = ""
        try:
            wishes = Wishes.of(list(item.iter_markers("starproxy")))
            bench = self._connected()
            mark = bench.begin(wishes, [item.path.parent, item.config.rootpath])
        except (Unusable, DriverError) as e:
            problem = str(e)
        if problem:  # outside of except, so that it is told once
            pytest.fail(problem, pytrace=False)
        bench.client.begun = mark
        item.stash[_BEGAN] = _Began(bench.client, mark)
        return bench.client

    def _connected(self) -> Bench:
        if self._bench is None:
            from .bench import Bench
            from .exporter import Unusable, Worker, connect

            if self._unusable:
                raise Unusable(self._unusable)
            who = getattr(self._config, "workerinput", None)
            worker = Worker(int(who["workerid"].removeprefix("gw")), who["workercount"]) if who else Worker()
            file = _setting(self._config, "config")
            root = self._config.rootpath
            try:
                exporter = connect(
                    _setting(self._config, "binary"), root / file if file else None, root, worker, _setting(self._config, "proxy")
                )
            except Unusable as e:
                self._unusable = str(e)
                raise
            self._bench = Bench(exporter)
        return self._bench

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Give a marked test the fixture, whether or not it names it."""
        names = getattr(item, "fixturenames", None)
        if names is not None and "starproxy" not in names and item.get_closest_marker("starproxy"):
            names.insert(0, "starproxy")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item):
        report: pytest.TestReport = yield
        began = item.stash.get(_BEGAN, None)
        if began is not None and not began.told:
            always = self._config.getoption("starproxy_bundle") == "always" and report.when == "call"
            if report.failed or always:
                began.told = True
                self._tell(item, report, began)
        return report

    def _tell(self, item: pytest.Item, report: pytest.TestReport, began: _Began) -> None:
        """Save the bundle of a test, and put it and the exchanges into the report."""
        from .evidence import file_name, narrative

        keep = self._config.getoption("starproxy_bundle") != "off"
        title, bundle = "starproxy", None
        with tempfile.TemporaryDirectory(prefix="starproxy-") as temporary:
            # Without a bundle to keep there is one for the text, whose secrets it masks.
            path = (self._bundle_dir() if keep else Path(temporary)) / f"{file_name(item.nodeid)}.zip"
            # A report of a failure must not be lost because something else fails.
            try:
                bundle = began.proxy.bundle(path, since=began.mark)
                if keep:
                    title = f"starproxy: {path}"
                    self._link(item, report, bundle)
            except Exception as e:
                title = f"starproxy: no bundle could be saved: {_first_line(e)}"
            if not report.failed:
                return
            try:
                text = narrative(began.proxy, began.mark, bundle)
            except Exception as e:
                death = self._bench.death() if self._bench else ""
                text = f"{death}; the next test starts it again" if death else f"the exchanges cannot be told: {_first_line(e)}"
        if hasattr(report.longrepr, "addsection"):
            report.longrepr.addsection(title, text)
        else:
            report.longrepr = f"{report.longrepr or ''}\n{title}\n{text}"

    def _bundle_dir(self) -> Path:
        named = _setting(self._config, "bundle_dir")
        if named:
            return self._config.rootpath / named
        for option in ("htmlpath", "xmlpath"):
            if directory := self._directory(option):
                return directory / "starproxy-bundles"
        return self._config.rootpath / "starproxy-bundles"

    def _directory(self, option: str) -> Path | None:
        """Return the directory of a report, None when there is no such report."""
        path = self._config.getoption(option, None)
        return self._config.invocation_params.dir.joinpath(os.path.expanduser(os.path.expandvars(path))).parent if path else None

    def _property_base(self) -> Path:
        """Return the directory from which the properties of JUnit name bundles."""
        return self._directory("xmlpath") or self._config.rootpath

    def _link(self, item: pytest.Item, report: pytest.TestReport, bundle: Path) -> None:
        """Link the bundle in the reports of pytest, by its path from there."""
        place = os.path.relpath(bundle, self._property_base())
        item.user_properties.append((_PROPERTY, place))
        report.user_properties.append((_PROPERTY, place))
        html = self._directory("htmlpath")
        if html and self._config.pluginmanager.hasplugin("html"):
            from pytest_html import extras

            page = bundle.with_suffix(".html")
            links = [extras.url(_url(bundle, html), name="bundle")]
            with zipfile.ZipFile(bundle) as z:
                if "report.html" in z.namelist():
                    page.write_bytes(z.read("report.html"))
                    links.insert(0, extras.url(_url(page, html), name="exchanges"))
            report.extras = [*getattr(report, "extras", []), *links]

    def pytest_sessionfinish(self) -> None:
        """End the exporter, and keep the coverage."""
        bench, self._bench = self._bench, None
        if bench is None:
            return
        try:
            bench.close()
        except Exception as e:
            self._problem = f"The proxy was not left as it was before the tests: {_first_line(e)}"
        output: dict[str, Any] | None = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[_COVERAGE] = json.dumps(bench.coverage)
        self._coverage += bench.coverage

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over the coverage of a worker of pytest-xdist."""
        self._coverage += json.loads(getattr(node, "workeroutput", {}).get(_COVERAGE, "[]"))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember the bundles, also those of the workers of pytest-xdist."""
        for name, value in report.user_properties:
            if name == _PROPERTY:
                place = os.path.relpath(self._property_base() / str(value), self._config.invocation_params.dir)
                if place not in self._bundles:
                    self._bundles.append(place)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        told = lines(merged(self._coverage))
        if self._bundles:
            told += ["Bundles of sessions:", *("  " + path for path in self._bundles)]
        if self._problem:
            told.append(self._problem)
        if told:
            terminalreporter.section("starproxy")
            for line in told:
                terminalreporter.line(line)


def _first_line(e: Exception) -> str:
    """Return the text of an error without what gRPC adds to it."""
    return str(e).partition("\n")[0].partition(" (Caused by: ")[0]


def _url(path: Path, base: Path) -> str:
    """Return the link from a page in a directory to a file."""
    from urllib.parse import quote

    return quote(Path(os.path.relpath(path, base)).as_posix())
