"""Hosts the drivers of an exporter that are written in Python.

The exporter that starts this program tells it by lines of JSON on standard
input what to do, and gets a line in answer to each:

    {"id": 1, "do": "open", "session": {...}}   -> {"id": 1, "socket": PATH}
    {"id": 2, "do": "close"}                    -> {"id": 2}

A session has the key export: the drivers as an exporter file has them, in YAML.
Its drivers are made and reset when it opens, and closed when it closes. The
program ends when its input ends, by force when a driver does not let it. Line 0
says that it is ready, or why it is not.

Clients read the log of the drivers from the session. Warnings from before and
after it, when it has no client, go to standard error.
"""

import asyncio
import contextlib
import importlib
import json
import logging
import os
import sys
import threading
import time

# The lines are a channel of their own: a driver that prints, or a program that
# it starts, must not reach it.
answers = os.fdopen(os.dup(1), "w")
commands = os.fdopen(os.dup(0), "r")
os.dup2(2, 1)
null = os.open(os.devnull, os.O_RDONLY)
os.dup2(null, 0)
os.close(null)


def answer(number, **fields):
    print(json.dumps({"id": number, **fields}), file=answers, flush=True)


def one_line(error):
    return " ".join(f"{type(error).__name__}: {error}".split())


try:
    from jumpstarter.common import ExporterStatus
    from jumpstarter.config.exporter import ExporterConfigV1Alpha1DriverInstance as Instance
    from jumpstarter.config.exporter import ExporterConfigV1Alpha1DriverInstanceBase as Typed
    from jumpstarter.exporter import Session
    from jumpstarter_driver_composite.driver import Composite
    import yaml  # which those need, too
except ImportError as e:
    answer(0, error=one_line(e), missing=[{"path": "", "type": "", "module": (e.name or "").split(".")[0]}])
    sys.exit(1)


def missing(nodes, path=""):
    """Lists the drivers whose class cannot be imported."""
    found = []
    for name, node in nodes.items():
        here = f"{path}.{name}" if path else name
        kind = node.get("type")
        if kind:
            module, _, cls = kind.rpartition(".")
            try:
                getattr(importlib.import_module(module), cls)
            except (ImportError, AttributeError, ValueError) as e:
                lacking = getattr(e, "name", None) if isinstance(e, ModuleNotFoundError) else None
                found.append({"path": here, "type": kind, "module": lacking or "", "why": one_line(e)})
        found += missing(node.get("children") or {}, here)
    return found


def check(tree):
    """Raises for a driver that would pass as a group for its wrong keys."""
    for node in tree.values():
        if "type" in node and not isinstance(Instance.model_validate(node).root, Typed):
            Typed.model_validate(node)
        check(node.get("children") or {})


def make(tree, opened):
    """Makes the drivers of a tree, which opened closes until they are served."""
    children = {}
    for name, node in tree.items():
        children[name] = Instance.model_validate(node).instantiate()
        opened.callback(children[name].close)
    return Composite(children=children)


@contextlib.asynccontextmanager
async def serve(tree):
    """Serves a tree of drivers and yields the path of the socket."""
    with contextlib.ExitStack() as opened:
        session = Session(root_device=make(tree, opened))
        with session:  # it resets the drivers, and closes them
            opened.pop_all()
            async with session.serve_unix_async() as path:
                session.update_status(ExporterStatus.LEASE_READY)
                unread.served = True
                try:
                    yield str(path)
                finally:
                    unread.served = False


class Unread(logging.StreamHandler):
    """Writes records that no client of a session can read."""

    served = False

    def filter(self, record):
        return not self.served and super().filter(record)


# Those of drivers and of what they use, as the stock exporter has it.
unread = Unread(sys.stderr)
unread.setLevel(logging.WARNING)
logging.basicConfig(level=logging.INFO, handlers=[unread], format="%(name)s: %(message)s")


def read(loop, queue):
    """Reads the commands. At their end the drivers have a while to close."""
    for line in commands:
        loop.call_soon_threadsafe(queue.put_nowait, line)
    loop.call_soon_threadsafe(queue.put_nowait, "")
    force()


GRACE = 5  # seconds


async def main():
    queue = asyncio.Queue()
    threading.Thread(target=read, args=(asyncio.get_running_loop(), queue), daemon=True).start()
    try:
        async with contextlib.AsyncExitStack() as current:
            while line := await queue.get():
                command = json.loads(line)
                number = command["id"]
                try:
                    await current.aclose()
                    if command["do"] == "open":
                        tree = yaml.safe_load(command["session"]["export"])
                        if lacking := missing(tree):
                            answer(number, error=lacking[0].pop("why"), missing=lacking)
                            continue
                        check(tree)
                        answer(number, socket=await current.enter_async_context(serve(tree)))
                    else:
                        answer(number)
                except Exception as e:
                    answer(number, error=one_line(e))
    except BaseException:  # a driver ended the program, and another may not let it
        threading.Thread(target=force, daemon=True).start()
        raise


def force():
    """Ends the program when its drivers have had a while to close."""
    time.sleep(GRACE)
    os._exit(1)


answer(0)
asyncio.run(main())
