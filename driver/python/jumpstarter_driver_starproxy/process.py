"""The starproxy process of one driver."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

EXPORT = "proxy"
"""Name of the export in the file that the process serves."""

# Seconds that a process may take to end before it is killed. starproxy gives
# running calls a second, and a device's last answers a moment.
STOP_TIMEOUT = 10.0

_LEVEL = re.compile(r"\blevel=(DEBUG|INFO|WARN|ERROR)\b")
_LEVELS = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
}


class StartError(RuntimeError):
    """The process did not start; the text says why, in one line."""


class Process:
    """A running starproxy that serves one proxy on a unix socket.

    The constructor returns when the socket can be used. The process ends with
    stop(), or when this process ends in whatever way: its standard input is
    closed then.
    """

    def __init__(self, binary: str, config: dict, logger: logging.Logger, timeout: float):
        self._log = logger
        self._last_line = ""
        self._dir = Path(tempfile.mkdtemp(prefix="starproxy-"))  # mode 0700
        self.socket = str(self._dir / "s")
        try:
            file = self._dir / "exporter.yaml"
            # JSON is YAML, and exact about types.
            file.write_text(
                json.dumps({"export": {EXPORT: {"type": "starproxy.MitmproxyDriver", "config": config}}}, indent=1)
            )
            self._spawn(binary, file)
            self._await_socket(timeout)
        except BaseException:
            self.stop()
            raise

    _popen: subprocess.Popen | None = None
    _pumps: tuple[threading.Thread, ...] = ()

    def _spawn(self, binary: str, file: Path) -> None:
        command = [binary, "run", "--exporter-config", str(file), "--socket", self.socket]
        command += ["--exit-with-stdin", "--log-level", "info"]
        try:
            self._popen = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as e:
            raise StartError(f"{binary}: {e.strerror or e}") from e
        self._pumps = (
            threading.Thread(target=self._pump_output, args=(self._popen.stdout,), daemon=True),
            threading.Thread(target=self._pump_log, args=(self._popen.stderr,), daemon=True),
        )
        for t in self._pumps:
            t.start()

    def _pump_output(self, pipe) -> None:
        with pipe:
            for line in pipe:
                self._log.debug("%s", line.decode(errors="replace").rstrip())

    def _pump_log(self, pipe) -> None:
        with pipe:
            for raw in pipe:
                line = raw.decode(errors="replace").rstrip()
                if not line:
                    continue
                level = _LEVEL.search(line)
                if level is None:
                    self._last_line = line
                self._log.log(_LEVELS[level[1]] if level else logging.WARNING, "%s", line)

    def _await_socket(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not os.path.exists(self.socket):
            if not self.alive():
                raise StartError(self.why())
            if time.monotonic() > deadline:
                raise StartError(f"starproxy did not start within {timeout:g} seconds")
            time.sleep(0.005)

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._popen is not None and self._popen.poll() is None

    def why(self) -> str:
        """Why the process has ended: its exit code, and its last line that is no log."""
        for t in self._pumps:
            t.join(1)
        code = self._popen.returncode if self._popen else None
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return f"starproxy ended ({how}): {self._last_line}" if self._last_line else f"starproxy ended ({how})"

    def stop(self) -> None:
        """End the process and remove its directory. It may be called again."""
        p = self._popen
        if p is not None:
            if p.poll() is None:
                p.terminate()
                try:
                    p.wait(STOP_TIMEOUT)
                except subprocess.TimeoutExpired:
                    p.kill()
                    p.wait()
            if p.stdin:
                try:
                    p.stdin.close()
                except OSError:
                    pass
            for t in self._pumps:
                t.join(1)
        shutil.rmtree(self._dir, ignore_errors=True)


def find_binary(configured: str) -> str:
    """The program to run. StartError says how to name one."""
    name = configured or os.environ.get("STARPROXY", "")
    found = shutil.which(name or "starproxy")
    if found is None:
        raise StartError(
            f"{name or 'starproxy'} is not found: install starproxy, set its path as config key binary, or STARPROXY"
        )
    return found
