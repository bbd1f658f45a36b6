"""The proxy of a test run: that of JUMPSTARTER_HOST, or of an exporter of the run's own."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from anyio.from_thread import start_blocking_portal
from jumpstarter_driver_mitmproxy.client import MitmproxyClient
from jumpstarter_driver_starproxy.client import StarproxyClient
from jumpstarter_driver_starproxy.process import EXPORT, Process, StartError, find_binary

from jumpstarter.client import DriverClient, client_from_path
from jumpstarter.common.utils import env

# Seconds that an exporter of the run's own may take to start.
_START_TIMEOUT = 30.0


class Unusable(Exception):
    """There is no proxy for the tests. The text says why, and what to do."""


@dataclass(frozen=True)
class Worker:
    """A process among those that share the tests."""

    index: int = 0
    count: int = 1


class SharedExporter:
    """The exporter that JUMPSTARTER_HOST names. It is not the run's own, and goes on after it."""

    own = False

    def __init__(self, worker: Worker, name: str):
        """
        name: of the proxy to use; empty for the one of the worker's number.
        """
        self.ending: Callable[[], None] = _nothing
        self._stack = ExitStack()
        try:
            proxies = _proxies(self._stack.enter_context(env()))
            self.client = StarproxyClient.of(_chosen(proxies, worker, name))
        except BaseException:
            self._stack.close()
            raise

    def ready(self, seed: int | None) -> bool:
        """Report whether the proxy is another one than before: it never is."""
        if seed is not None:
            raise Unusable(
                f"seed={seed}: the exporter of JUMPSTARTER_HOST has a seed of its own, which tests cannot set: "
                "set seed in its configuration, or unset JUMPSTARTER_HOST"
            )
        return False

    def death(self) -> str:
        """Return how the program has ended, empty while it runs. That of another process is not known."""
        return ""

    def close(self) -> None:
        """End the connection, after ending has been called."""
        try:
            self.ending()
        finally:
            self._stack.close()


class OwnExporter:
    """An exporter that runs as long as the tests of this process."""

    own = True
    client: StarproxyClient

    def __init__(self, binary: str, config: dict, data: Path):
        """
        binary: the program; empty for $STARPROXY, or starproxy on PATH.
        config: the keys of ``config:`` of an exporter file.
        data: a directory that is removed in the end.
        """
        self._data = data
        self.ending: Callable[[], None] = _nothing
        self._binary = binary
        self._config = config
        self._process: Process | None = None
        self._stack = ExitStack()
        self._seed: int | None = None

    def ready(self, seed: int | None) -> bool:
        """Start the program if it does not run with that seed. Report whether it is another one than before."""
        if self._process is not None:
            if self._process.alive() and seed == self._seed:
                return False
            self._stop()
        self._seed = seed
        config = self._config if seed is None else self._config | {"seed": seed}
        conf = config["directories"].get("conf")
        with _locked(Path(conf)) if conf else nullcontext():
            self._start(config)
        return True

    def _start(self, config: dict) -> None:
        log = logging.getLogger("starproxy")
        try:
            self._process = Process(find_binary(self._binary), config, log, _START_TIMEOUT)
        except StartError as e:
            raise Unusable(f"starproxy cannot be started: {e} (options starproxy_binary and starproxy_config)") from None
        portal = self._stack.enter_context(start_blocking_portal())
        clients = self._stack.enter_context(ExitStack())
        root = self._stack.enter_context(
            portal.wrap_async_context_manager(client_from_path(self._process.socket, portal, clients, allow=[], unsafe=True))
        )
        self.client = StarproxyClient.of(_proxies(root)[EXPORT])
        # The devices find the next one at the same address.
        listen = config["listen"]
        self.client.must("start", "mock", False, "", listen.get("port", 0))
        port = int(self.client.status()["proxy_address"].rpartition(":")[2])
        self._config = self._config | {"listen": listen | {"port": port}}

    def _stop(self) -> None:
        process, self._process = self._process, None
        try:
            if process is not None and process.alive():
                self.ending()
        finally:
            self._stack.close()
            self._stack = ExitStack()
            if process is not None:
                process.stop()

    def death(self) -> str:
        """Return how the program has ended, empty while it runs."""
        return self._process.why() if self._process is not None and not self._process.alive() else ""

    def close(self) -> None:
        """End the program, after ending has been called."""
        try:
            self._stop()
        finally:
            shutil.rmtree(self._data, ignore_errors=True)


def _nothing() -> None:
    """Do nothing."""


def _proxies(root: DriverClient) -> dict[str, MitmproxyClient]:
    """Return the proxies of an exporter by their names, each once."""
    found: dict[str, MitmproxyClient] = {}

    def look(name: str, client: DriverClient) -> None:
        if isinstance(client, MitmproxyClient):
            if all(c.uuid != client.uuid for c in found.values()):
                found[name] = client
        for child, c in client.children.items():
            look(child, c)

    look(root.labels.get("jumpstarter.dev/name", EXPORT), root)
    return found


def _chosen(proxies: dict[str, MitmproxyClient], worker: Worker, name: str) -> MitmproxyClient:
    """Return the proxy of a worker."""
    names = ", ".join(proxies) or "none"
    if name:
        if name not in proxies:
            raise Unusable(f"--starproxy-proxy={name}: the exporter of JUMPSTARTER_HOST has no such proxy; it has: {names}")
        proxies = {name: proxies[name]}
    if not proxies:
        raise Unusable("the exporter of JUMPSTARTER_HOST has no proxy whose client is a MitmproxyClient")
    if worker.count > len(proxies):
        raise Unusable(
            f"{worker.count} workers of pytest-xdist cannot share the exporter of JUMPSTARTER_HOST, which has {len(proxies)} "
            f"proxy or proxies for them ({names}): mocks, state and clock of one test would meet another. Run with "
            f"-n {len(proxies)}, or unset JUMPSTARTER_HOST, so that each worker starts an exporter of its own"
        )
    if worker.count == 1 and EXPORT in proxies:
        return proxies[EXPORT]
    return list(proxies.values())[worker.index]


def own_config(file: Path | None, root: Path, worker: Worker) -> tuple[dict, Path]:
    """Return the configuration of an exporter of the run's own, and a new directory for its data.

    What the file does not say is chosen so that runs do not meet: free ports of 127.0.0.1, and
    new directories. Ports that the file names are counted up by the worker's number, and each
    worker has directories of its own, but for the one of the certificate authority.
    """
    config = _read(file) if file else {}
    data = Path(tempfile.mkdtemp(prefix="starproxy-"))
    for key in ("listen", "web"):
        place = {"host": "127.0.0.1", "port": 0} | (config.get(key) or {})
        if isinstance(place["port"], int) and place["port"] > 0:
            place["port"] += worker.index
        config[key] = place
    base = file.parent if file else root
    directories = {k: str(base / v) for k, v in (config.get("directories") or {}).items() if v}
    if worker.count > 1 and "data" in directories:
        kept = Path(directories["data"])
        directories = {"conf": str(kept / "conf")} | directories | {"data": str(kept / f"gw{worker.index}")}
    config["directories"] = {"data": str(data), "mocks": str(root)} | directories
    return config, data


def _read(file: Path) -> dict:
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as e:
        raise Unusable(f"starproxy_config: {file}: {e}") from None
    if not isinstance(config, dict) or "export" in config:
        raise Unusable(f"starproxy_config: {file}: got {_kind(config)}, want the keys of config: of a proxy, such as unmatched: reject")
    return config


def _kind(value: Any) -> str:
    return "an exporter file" if isinstance(value, dict) else f"a {type(value).__name__}"


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Let one process at a time make the certificate authority."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".pytest.lock").open("w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def connect(binary: str, config: Path | None, root: Path, worker: Worker, proxy: str) -> SharedExporter | OwnExporter:
    """Return the exporter for the tests of this process. One of the run's own is not started yet."""
    if os.environ.get("JUMPSTARTER_HOST"):
        return SharedExporter(worker, proxy)
    settings, data = own_config(config, root, worker)
    return OwnExporter(binary, settings, data)
