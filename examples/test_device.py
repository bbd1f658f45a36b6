"""What the charging station does on good days and on bad ones."""


def test_sees_its_backend(charger, proxy):
    assert charger.backend_is_up()
    seen = proxy.assert_request_made("GET", "/api/v1/status")
    assert seen["was_mocked"] is True
    assert seen["url"] == "https://api.example.com/api/v1/status"


def test_starts_a_session(charger):
    session = charger.plug_in(connector=2)
    assert session["id"].startswith("session-")
    assert session["connector"] == 2


def test_installs_an_update_once(charger, load):
    assert not charger.look_for_update()
    load("update-available.yaml")
    assert charger.look_for_update()
    assert charger.firmware == "2.5.0"
    assert not charger.look_for_update()


def test_keeps_its_tariff_while_the_backend_is_down(charger, load):
    load("backend-degraded.yaml")
    assert not charger.refresh_tariff()
    assert not charger.refresh_tariff()
    assert charger.tariff == {"per_kwh": 0.50}
    assert charger.refresh_tariff()
    assert charger.tariff["per_kwh"] == 0.39


def test_one_answer_changed_for_one_moment(charger, proxy):
    with proxy.mock_endpoint("GET", "/api/v1/status", body={"backend": "moved"}):
        assert not charger.backend_is_up()


def test_knows_what_it_was_told(charger, proxy):
    with proxy.capture() as capture:
        charger.plug_in(connector=1)
        request = capture.wait_for_request("POST", "/api/v1/sessions", timeout=5)
    assert '"connector": 1' in request["body"]
    assert request["response_status"] == 201
