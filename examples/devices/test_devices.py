"""Three devices, one proxy address, nothing in common."""


def test_each_device_has_its_own_proxy(device, bench):
    north, south, other = device(address="127.0.0.2"), device(user="south"), device()
    assert {p.status()["proxy_address"] for p in (bench.north, bench.south, bench.others)} == {bench.north.status()["proxy_address"]}
    assert north.get("/api/v1/name").json() == {"name": "north"}
    assert south.get("/api/v1/name").json() == {"name": "south"}
    assert other.get("/api/v1/name").json() == {"name": "others"}
    for proxy in (bench.north, bench.south, bench.others):
        assert len(proxy.get_captured_requests()) == 1


def test_a_fault_of_one_is_none_of_the_others(device, bench):
    north, south = device(address="127.0.0.2"), device(user="south")
    told = bench.north.set_mock("GET", "/api/v1/update", body={"update": False})
    assert told.startswith("Mock set: "), told
    with bench.south.mock_endpoint("GET", "/api/v1/update", status=503, body={}):
        assert south.get("/api/v1/update").status_code == 503
        assert north.get("/api/v1/update").json() == {"update": False}


def test_each_has_its_own_seed(device, bench):
    north, south = device(address="127.0.0.2"), device(user="south")
    first = north.get("/api/v1/id").json(), south.get("/api/v1/id").json()
    assert first[0] != first[1]
    told = bench.south.restart(mode="mock")  # draws the same numbers again; north goes on
    assert told.startswith("Started in "), told
    assert south.get("/api/v1/id").json() == first[1]
    assert north.get("/api/v1/id").json() != first[0]


def test_a_stopped_proxy_leaves_its_device_to_nobody(device, bench):
    north, south = device(address="127.0.0.2"), device(user="south")
    bench.south.stop()
    try:
        # The tunnel is refused; with http:// the status is 503.
        assert south.http.get("http://api.example.com/api/v1/name", timeout=5).status_code == 503
        assert north.get("/api/v1/name").json() == {"name": "north"}
    finally:
        told = bench.south.start(mode="mock")
    assert told.startswith("Started in "), told
    assert south.http.get("http://api.example.com/api/v1/name", timeout=5).json() == {"name": "south"}
