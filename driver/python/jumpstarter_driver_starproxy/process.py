"""The starproxy process of one driver."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import date
from pathlib import Path

from jumpstarter.common.exceptions import JumpstarterException

EXPORT = "proxy"
"""Name of the export in the file that the process serves."""

# Seconds that a process may take to end before it is killed. starproxy gives
# running calls a second, and a device's last answers a moment.
STOP_TIMEOUT = 10.0

_LEVELS = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
}

# How a Go program that crashes begins its last words; stacks follow.
_CRASH = ("panic: ", "fatal error: ", "runtime: ", "WARNING: DATA RACE")

# A unix socket's path has at most 107 bytes, and gRPC takes it as a URI.
_PLAIN_PATH = re.compile(r"/[\w./+-]{0,80}", re.ASCII)


class StartError(JumpstarterException):
    """The process did not start; the text says why, in one line."""


class Process:
    """A running starproxy that serves one proxy on a unix socket.

    The constructor returns when the socket can be used. The process ends with
    stop(), or when this process ends in whatever way: its standard input is
    closed then.
    """

    def __init__(self, binary: str, config: dict, logger: logging.Logger, timeout: float):
        self._log = logger
        self._last_words = ""
        self._crashed = False
        self._started = False
        self._stopping = False
        self._popen: subprocess.Popen | None = None
        self._pumps: tuple[threading.Thread, ...] = ()
        self._dir = Path(_private_directory())
        self._file = self._dir / "exporter.yaml"
        self.socket = str(self._dir / "s")
        try:
            self._file.write_text(_exporter_file(config), encoding="utf-8")
            self._spawn(binary)
            self._await_socket(timeout)
            self._started = True
            # It has been read, and may have secrets in it.
            self._file.unlink()
        except BaseException:
            self.stop()
            raise

    def _spawn(self, binary: str) -> None:
        command = [binary, "run", "--exporter-config", str(self._file), "--socket", self.socket]
        command += ["--local", "--exit-with-stdin", "--quiet", "--log-format", "json"]
        command += ["--log-level", _level_name(self._log.getEffectiveLevel())]
        # These are for the exporter's own service manager.
        env = {k: v for k, v in os.environ.items() if k not in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")}
        try:
            # Ctrl+C in a terminal is for the session: it decides when the
            # proxy ends. So the process has a group of its own.
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=env,
                process_group=0,
            )
        except OSError as e:
            raise StartError(f"{binary}: {e.strerror or e}") from None
        self._pumps = (
            threading.Thread(target=self._pump_output, args=(self._popen.stdout,), daemon=True),
            threading.Thread(target=self._pump_log, args=(self._popen,), daemon=True),
        )
        for t in self._pumps:
            t.start()

    def _pump_output(self, pipe) -> None:
        with pipe:
            for line in pipe:
                self._log.debug("%s", line.decode(errors="replace").rstrip())

    def _pump_log(self, popen: subprocess.Popen) -> None:
        with popen.stderr:
            for raw in popen.stderr:
                line = raw.decode(errors="replace").rstrip()
                if line:
                    self._pump_line(line)
        popen.wait()
        if self._started and not self._stopping:
            self._log.error("%s; the next call starts it again", self.why())

    def _pump_line(self, line: str) -> None:
        record = _record(line)
        if record is not None:
            self._log.log(*record)
            return
        if not self._crashed:
            self._last_words = line
            self._crashed = line.startswith(_CRASH)
        # Until it has started, it is the text of an error that somebody raises.
        if self._started and not self._stopping:
            self._log.warning("%s", line)

    def _await_socket(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not _accepts(self.socket):
            if self._popen.poll() is not None:
                self._join_pumps()
                raise StartError(self._start_failure())
            if time.monotonic() > deadline:
                raise StartError(f"starproxy did not start within {timeout:g} seconds (start_timeout)")
            time.sleep(0.005)

    def _start_failure(self) -> str:
        """The error that the process printed; the file is this driver's, so its places mean nothing to a reader."""
        if self._crashed or not self._last_words:
            return self.why()
        return re.sub(rf"(?:export\.{EXPORT}: )?{re.escape(str(self._file))}(?::\d+)*: ", "config: ", self._last_words)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._popen.pid

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._popen is not None and self._popen.poll() is None

    def ended(self, timeout: float) -> bool:
        """Whether the process ends within so many seconds."""
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        self._join_pumps()
        return True

    def why(self) -> str:
        """How the process has ended: its exit code, and its last line that is no log."""
        code = self._popen.returncode if self._popen else None
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return f"starproxy ended ({how}): {self._last_words}" if self._last_words else f"starproxy ended ({how})"

    def stop(self) -> None:
        """End the process and remove its directory. It may be called again."""
        self._stopping = True
        p = self._popen
        if p is not None:
            if p.poll() is None:
                p.terminate()
                try:
                    p.wait(STOP_TIMEOUT)
                except subprocess.TimeoutExpired:
                    self._log.warning("starproxy did not end within %g seconds, it is killed", STOP_TIMEOUT)
                    p.kill()
                    p.wait()
            try:
                p.stdin.close()
            except OSError:
                pass
            self._join_pumps()
        shutil.rmtree(self._dir, ignore_errors=True)

    def _join_pumps(self) -> None:
        for t in self._pumps:
            if t is not threading.current_thread():
                t.join(1)


def _accepts(path: str) -> bool:
    """Whether connections to the socket are accepted. Its file is there a moment before that."""
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(path)
        except OSError:
            return False
    return True


def _private_directory() -> str:
    """A new directory that only this user can enter, where a socket can be."""
    for parent in (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"):
        if _PLAIN_PATH.fullmatch(parent) and os.access(parent, os.W_OK | os.X_OK):
            return tempfile.mkdtemp(prefix="starproxy-", dir=parent)  # mode 0700
    raise StartError("there is no directory for a socket: XDG_RUNTIME_DIR, TMPDIR and /tmp cannot be used")


def _exporter_file(config: dict) -> str:
    """The exporter file for one proxy. JSON is YAML, and exact about types."""

    def text(value):
        if isinstance(value, date):  # YAML's dates; datetime is one, too
            return value.isoformat()
        raise StartError(f"config: got a value of type {type(value).__name__}, want text, numbers, lists and maps")

    # This file is not the user's: relative paths are the exporter's own.
    directories = config.get("directories")
    if isinstance(directories, dict):
        absolute = {k: os.path.abspath(v) if isinstance(v, str) and v else v for k, v in directories.items()}
        config = config | {"directories": absolute}
    try:
        return json.dumps({"export": {EXPORT: {"type": "starproxy.MitmproxyDriver", "config": config}}}, indent=1, default=text)
    except (TypeError, ValueError) as e:  # a key that is no text, a list that holds itself
        raise StartError(f"config: {e}") from None


def _level_name(level: int) -> str:
    """The least level that starproxy should log, for the level of a logger."""
    for name, number in _LEVELS.items():
        if level <= number:
            return name.lower()
    return "error"


def _record(line: str) -> tuple[int, str, str] | None:
    """What to log for a line of starproxy's log; None for any other line."""
    try:
        fields = json.loads(line)
        level, message = fields.pop("level"), fields.pop("msg")
    except (ValueError, TypeError, AttributeError, KeyError):
        return None
    fields.pop("time", None)  # the logger has its own
    rest = "".join(f" {k}={_attribute(v)}" for k, v in fields.items())
    # Levels between those named are written as WARN+1.
    return _LEVELS.get(re.split("[+-]", str(level))[0], logging.INFO), "%s", f"{message}{rest}"


def _attribute(value) -> str:
    """The value as one word."""
    if isinstance(value, str) and re.fullmatch(r'[^\s"=]+', value):
        return value
    return json.dumps(value, ensure_ascii=False)


def find_binary(configured: str) -> str:
    """The program to run: the configured one, $STARPROXY, or starproxy on PATH or beside this Python.

    StartError says how to name one.
    """
    name = configured or os.environ.get("STARPROXY", "")
    found = shutil.which(name) if name else _default_binary()
    if found is None:
        raise StartError(
            f"{name or 'starproxy'} is not found: install starproxy, set its path as config key binary, or STARPROXY"
        )
    return found


def _default_binary() -> str | None:
    # An exporter that runs as a service has no PATH of its environment.
    places = [os.path.dirname(sys.executable), os.path.dirname(os.path.abspath(__file__))]
    return shutil.which("starproxy") or shutil.which("starproxy", path=os.pathsep.join(places))
