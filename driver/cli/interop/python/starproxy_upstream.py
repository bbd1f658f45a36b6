"""A pytest plugin that runs the stock driver's own tests against starproxy.

Loaded with -p before collection, it replaces three things the tests import:
the driver class (by a note of what it was constructed with), serve() (by one
that starts our exporter with those arguments and yields the stock client), and
the search for mitmdump, without which they would be skipped.

STARPROXY names the program under test.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import jumpstarter.common.utils
import jumpstarter_driver_mitmproxy.driver
import pytest
import yaml
from jumpstarter.common.utils import env

STARPROXY = os.environ["STARPROXY"]


class Recorded:
    """What the driver would have been constructed with."""

    def __init__(self, **config):
        self.config = config


@contextmanager
def exporter(config):
    """Our exporter with one proxy; yields the path of its socket."""
    with tempfile.TemporaryDirectory(prefix="spx") as home:
        document = Path(home, "exporter.yaml")
        document.write_text(yaml.safe_dump({
            "apiVersion": "jumpstarter.dev/v1alpha1",
            "kind": "ExporterConfig",
            "metadata": {"namespace": "default", "name": "upstream"},
            "export": {"proxy": {
                "type": "jumpstarter_driver_mitmproxy.driver.MitmproxyDriver",
                "config": config,
            }},
        }))
        path, log = str(Path(home, "s")), Path(home, "log")
        with log.open("wb") as out:
            process = subprocess.Popen(
                [STARPROXY, "run", "--exporter-config", str(document), "--socket", path],
                stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env={**os.environ, "HOME": home},
            )
        try:
            accept(process, path, log)
            yield path
        finally:
            process.terminate()
            code = process.wait(timeout=60)
            said = log.read_text(errors="replace")
            if code != 0 or "DATA RACE" in said:
                pytest.fail(f"starproxy ended with {code}:\n{said}")


def accept(process, path, log):
    """Waits until the exporter answers on its socket."""
    deadline = time.monotonic() + 60
    while True:
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(path)
                return
            except OSError:
                pass
        if process.poll() is not None:
            pytest.fail(f"starproxy ended with {process.returncode}:\n{log.read_text()}")
        if time.monotonic() > deadline:
            pytest.fail(f"starproxy does not answer:\n{log.read_text()}")
        time.sleep(0.01)


@contextmanager
def serve(driver):
    with exporter(driver.config) as path:
        os.environ["JUMPSTARTER_HOST"] = path
        os.environ["JMP_DRIVERS_ALLOW"] = "UNSAFE"
        try:
            with env() as root:
                yield root.proxy
        finally:
            del os.environ["JUMPSTARTER_HOST"]


found = shutil.which
jumpstarter_driver_mitmproxy.driver.MitmproxyDriver = Recorded
jumpstarter.common.utils.serve = serve
shutil.which = lambda name, *args, **kwargs: (
    STARPROXY if name == "mitmdump" else found(name, *args, **kwargs)
)
