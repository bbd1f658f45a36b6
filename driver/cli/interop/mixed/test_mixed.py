"""A bench of our proxy and drivers of Python's, by the stock client."""

import hashlib

import pytest
import requests
from jumpstarter.client.core import DriverError, DriverInvalidArgument, DriverMethodNotImplemented
from jumpstarter.common.utils import env


@pytest.fixture(scope="module")
def root():
    with env() as root:
        yield root


def test_tree(root):
    assert sorted(root.children) == ["again", "bench", "deep", "disk", "echo", "lab", "part", "proxy", "serial"]
    assert sorted(root.lab.children) == ["power", "proxy"]
    assert root.again.uuid == root.lab.power.uuid
    assert root.lab.proxy.uuid == root.proxy.uuid
    assert root.part.uuid == root.bench.children["inner"].uuid
    assert root.deep.relay.serial.uuid == root.serial.uuid
    assert root.lab.power.description == "the relay"
    assert root.lab.power.methods_description == {"on": "switch it on"}


def test_power(root):
    root.lab.power.on()
    root.again.off()
    readings = [reading.voltage for reading in root.lab.power.read()]
    assert readings == [0.0, 5.0]


def test_proxy_beside(root):
    root.proxy.start("mock")
    at = root.lab.proxy.status()["proxy_address"]
    root.proxy.set_mock("GET", "/mixed", body={"mixed": True})
    assert requests.get("http://h.example/mixed", proxies={"http": f"http://{at}"}).json() == {"mixed": True}
    root.proxy.stop()


@pytest.mark.parametrize("value", [None, True, 1, -2.5, "ü", [1, [2, {}]], {"a": {"b": None}}], ids=str)
def test_values(root, value):
    assert root.bench.ask("echo", value) == value


def test_children(root):
    assert root.bench.children["inner"].ask("whoami") == root.part.ask("whoami") == "a part"


@pytest.mark.parametrize(
    "kind, error",
    [("value", DriverInvalidArgument), ("missing", DriverMethodNotImplemented), ("other", DriverError)],
)
def test_errors(root, kind, error):
    with pytest.raises(error) as e:
        root.bench.ask("fail", kind)
    assert type(e.value) is error
    assert f"no {kind}\nin two lines" in str(e.value)


def test_no_such_method(root):
    with pytest.raises(DriverMethodNotImplemented):
        root.bench.ask("nothing")


def test_streaming(root):
    assert list(root.bench.follow("count", 100)) == list(range(100))
    got = []
    with pytest.raises(DriverInvalidArgument, match="after one"):
        for n in root.bench.follow("count_and_fail"):
            got.append(n)
    assert got == [1]


def test_half_close(root):
    """What was sent before the end of one half comes back."""

    async def shout():
        got = b""
        async with root.bench.stream_async("shout") as stream:
            await stream.send(b"hello ")
            await stream.send(b"world")
            await stream.send_eof()
            async for chunk in stream:
                got += chunk
        return got

    assert root.portal.call(shout) == b"HELLO WORLD"


def test_serial(root):
    with root.serial.pexpect() as console:
        console.sendline("hello serial")
        console.expect("hello serial", timeout=10)


def test_network(root):
    for _ in range(3):
        with root.echo.stream() as stream:
            stream.send(b"x" * 1000)
            got = b""
            while len(got) < 1000:
                got += stream.receive()


@pytest.mark.parametrize("size", [0, 1, 50 << 20])
def test_resource(root, tmp_path, size):
    """A file goes to the exporter and comes back."""
    block = bytes(range(251)) * 4099
    data = (block * (size // len(block) + 1))[:size]
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(data)
    root.disk.write_from_path("image", str(source))
    assert root.disk.stat("image").content_length == size
    if size:
        assert root.disk.hash("image", "sha256") == hashlib.sha256(data).hexdigest()
    root.disk.read_into_path("image", str(back))
    assert back.read_bytes() == data


def test_resource_fails(root, tmp_path):
    """A resource that the driver cannot take is an error, and the next goes on."""
    (tmp_path / "f").write_bytes(b"x" * 100_000)
    with pytest.raises(Exception, match="(?i)not.?found|no such|notadirectory|not a directory|permission"):
        root.disk.read_into_path("nothing", str(tmp_path / "g"))
    root.disk.write_from_path("f", str(tmp_path / "f"))
    assert root.disk.stat("f").content_length == 100_000


def test_many_at_once(root):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda n: root.bench.ask("echo", n), range(300))) == list(range(300))
