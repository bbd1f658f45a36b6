"""The methods of starproxy that the stock client has no functions for.

Made of the table of methods: UPDATE=1 go test ./driver -run Surface writes it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any


def text_of(value: Any) -> str:
    """Return a text as it is, and any other value as JSON text."""
    return value if isinstance(value, str) else json.dumps(value)


class Methods:
    """A function for each method of starproxy that the stock client lacks.

    A parameter that is JSON in the protocol takes a value, or JSON text. An answer that is
    JSON is returned as a value.
    """

    def abort_held(self, id: int) -> str:
        """Reset the connection of a held exchange, or its stream over HTTP/2."""
        return self.call("abort_held", id)

    def advance_clock(self, seconds: float) -> str:
        """Move the clock forward by seconds; what is due on the way happens."""
        return self.call("advance_clock", seconds)

    def annotate_capture(self, seq: int = 0, mark: str = "", comment: str = "") -> str:
        """Give a captured exchange a mark (a colour) and a comment."""
        return self.call("annotate_capture", seq, mark, comment)

    def answer_held(self, id: int, response: Any) -> str:
        """Answer a held exchange by hand: a JSON object of status, headers, body and body_base64.
        No mock and no server gets a held request then."""
        return self.call("answer_held", id, text_of(response))

    def capture_as_mock(self, seq: int = 0, choices: Any = "{}") -> Any:
        """Make the key and the definition of an endpoint from a captured exchange, as JSON, and
        tell what it would take the place of. Nothing is written. The choices are a JSON object:
        any_host, placeholders, any_query, body (true or false), headers (a list)."""
        return json.loads(self.call("capture_as_mock", seq, text_of(choices)))

    def check_filter(self, filter_expr: str) -> Any:
        """Tell as JSON whether a filter expression is right, and where it is not."""
        return json.loads(self.call("check_filter", filter_expr))

    def check_mock(self, key: str, text: str, replaces: str = "") -> Any:
        """Tell as JSON whether the definition of an endpoint, in YAML or JSON, is right, and where
        it is not, and which endpoints it would take the place of."""
        return json.loads(self.call("check_mock", key, text, replaces))

    def check_state(self, key: str, value: Any) -> Any:
        """Tell as JSON whether a value of the shared state is right, and where it is not."""
        return json.loads(self.call("check_state", key, text_of(value)))

    def clear_fault_plans(self, name: str = "") -> str:
        """Remove the plan of faults of that name, or all, also those of the scenario."""
        return self.call("clear_fault_plans", name)

    def clear_handshakes(self) -> str:
        """Forget the TLS handshakes that have ended."""
        return self.call("clear_handshakes")

    def clear_network(self, host: str = "", client: str = "") -> str:
        """Remove the network profile of a host and a client, or all, also those of the scenario."""
        return self.call("clear_network", host, client)

    def clear_tls_faults(self, host: str = "") -> str:
        """Remove the TLS faults of a host pattern, or all, also those of the scenario."""
        return self.call("clear_tls_faults", host)

    def complete_text(self, kind: str, text: str, line: int, column: int) -> Any:
        """Tell as JSON which words may be written at a line and column of a mock, scenario or
        script, and what the word there means."""
        return json.loads(self.call("complete_text", kind, text, line, column))

    def contract_report(self) -> Any:
        """Tell as JSON how the exchanges kept to the OpenAPI document of the scenario: its
        operations with their counts, those that were never met, and the breaches."""
        return json.loads(self.call("contract_report"))

    def copy_request(self, seq: int = 0, form: str = "curl", proxy: str = "") -> str:
        """Give a captured request as text that sends it again: curl, httpie, python or raw,
        through a proxy if its address is given."""
        return self.call("copy_request", seq, form, proxy)

    def count_captures(self) -> Any:
        """Count the captured exchanges by host and by device, and those that failed, as JSON."""
        return json.loads(self.call("count_captures"))

    def cut_exchange(self, live: int) -> str:
        """Reset an exchange in flight on both sides, by its number live."""
        return self.call("cut_exchange", live)

    def delete_captures(self, seqs: str) -> Any:
        """Take captured exchanges out of all lists, and tell as JSON how many; seqs is a JSON
        array of numbers, and of pairs of the first and the last. They stay in memory until they
        would leave it anyway."""
        return json.loads(self.call("delete_captures", seqs))

    def delete_state(self, key: str) -> str:
        """Remove a key of the shared state."""
        return self.call("delete_state", key)

    def doctor(self, client: str = "", seconds: float = 60.0) -> Any:
        """Watch the devices, or the one with the address client, for some seconds, and tell as
        JSON what is wrong with their way through the proxy, with advice."""
        return json.loads(self.call("doctor", client, seconds))

    def enable_mock(self, key: str, enabled: bool = True) -> str:
        """Let an endpoint answer, or not."""
        return self.call("enable_mock", key, enabled)

    def expect(self, expectations: Any, since: str = "", timeout: float = 0.0, filename: str = "expectations") -> Any:
        """Check the captured exchanges, or those after since, which is the number of an exchange
        or an event that was marked, against expectations, a list in JSON or YAML. The answer is
        JSON: whether all hold, and of each what differs. With a timeout in seconds it waits as
        long for all to hold, and ends when one can't hold any more. filename is for the places
        of expectations."""
        return json.loads(self.call("expect", text_of(expectations), since, timeout, filename))

    def export_captures(self, format: str, filter_pattern: str = "", exclude_mocked: bool = False, filter_expr: str = "", seqs: str = "") -> Iterator[bytes]:
        """Stream the captured traffic in base64, as a HAR document (har) or a flow file (flow) or
        a packet capture (pcapng); the filter is a glob on the path."""
        for item in self.streamingcall("export_captures", format, filter_pattern, exclude_mocked, filter_expr, seqs):
            yield base64.b64decode(item)

    def get_capture(self, seq: int = 0) -> Any:
        """Tell all of a captured exchange but its bodies, as JSON. The number of one in flight is
        -live."""
        return json.loads(self.call("get_capture", seq))

    def get_capture_body(self, seq: int = 0, side: str = "response", offset: int = 0, limit: int = 65536) -> Any:
        """Give a piece of a captured body with its content encoding undone, as JSON."""
        return json.loads(self.call("get_capture_body", seq, side, offset, limit))

    def get_clock(self) -> Any:
        """Tell the time of the clock as JSON, and how far it is from that of the system."""
        return json.loads(self.call("get_clock"))

    def get_held(self, id: int) -> Any:
        """Tell all of a held exchange as JSON: its request, and its response if that is held."""
        return json.loads(self.call("get_held", id))

    def get_metrics(self) -> Any:
        """Give the counters of the proxy as JSON."""
        return json.loads(self.call("get_metrics"))

    def get_onboarding(self) -> Any:
        """Tell as JSON how devices use the proxy and trust its CA, for each kind of device, and at
        which addresses they reach it, with QR codes."""
        return json.loads(self.call("get_onboarding"))

    def get_scenario_schema(self) -> Any:
        """Give the JSON Schema of scenarios."""
        return json.loads(self.call("get_scenario_schema"))

    def intercept(self, expr: str = "", side: str = "request", timeout: float = 60.0) -> str:
        """Hold the exchanges that a filter expression picks until they are released, at most
        timeout seconds: on the side request, response or both; an empty expression releases all
        and holds none any more."""
        return self.call("intercept", expr, side, timeout)

    def list_addon_status(self) -> Any:
        """List the addon scripts as JSON, with why one is not in force."""
        return json.loads(self.call("list_addon_status"))

    def list_captured_requests(self, filter_expr: str = "") -> Any:
        """Give the captured requests that a filter expression picks as a JSON array."""
        return json.loads(self.call("list_captured_requests", filter_expr))

    def list_captures(self, filter_expr: str = "", highlight_expr: str = "", before: int = 0, limit: int = 500, count: bool = False, live: bool = False) -> Any:
        """List captured exchanges in rows, as JSON, the newest or those before a number."""
        return json.loads(self.call("list_captures", filter_expr, highlight_expr, before, limit, count, live))

    def list_endpoints(self) -> Any:
        """List the endpoints as JSON, with their source and how often they were asked."""
        return json.loads(self.call("list_endpoints"))

    def list_fault_plans(self) -> Any:
        """List the plans of faults that are in force as JSON, with how often they were asked and
        fired."""
        return json.loads(self.call("list_fault_plans"))

    def list_filter_operators(self) -> Any:
        """List the operators of filter expressions, as JSON."""
        return json.loads(self.call("list_filter_operators"))

    def list_handshakes(self, host: str = "", client: str = "", after: int = 0, limit: int = 200) -> Any:
        """List the TLS handshakes that the proxy remembers as JSON, the newest of those after a
        number."""
        return json.loads(self.call("list_handshakes", host, client, after, limit))

    def list_held(self, wait: float = 0.0) -> Any:
        """List the exchanges that are held as JSON, the oldest first; without one, wait up to so
        many seconds for the first."""
        return json.loads(self.call("list_held", wait))

    def list_messages(self, seq: int = 0, after: int = 0, before: int = 0, limit: int = 0) -> Any:
        """List the messages of a captured WebSocket after a number, or before one, as JSON."""
        return json.loads(self.call("list_messages", seq, after, before, limit))

    def list_mock_changes(self) -> Any:
        """List the changes of the endpoints that undo_mocks undoes, the latest first, as JSON."""
        return json.loads(self.call("list_mock_changes"))

    def list_network_profiles(self) -> Any:
        """List the network profiles that have names as JSON, with their values."""
        return json.loads(self.call("list_network_profiles"))

    def list_scenario_states(self) -> Any:
        """Tell as JSON in which states the named scenarios of the endpoints are, and which ones
        they have."""
        return json.loads(self.call("list_scenario_states"))

    def list_scenarios(self) -> Any:
        """List the scenarios in the mocks directory, as JSON."""
        return json.loads(self.call("list_scenarios"))

    def list_scripts(self) -> Any:
        """List the scenario and the scripts in force as JSON, with why one is not, or how it
        failed last."""
        return json.loads(self.call("list_scripts"))

    def list_tls_faults(self) -> Any:
        """List the TLS faults that are set as JSON, with how many handshakes have met them."""
        return json.loads(self.call("list_tls_faults"))

    def list_webhooks(self) -> Any:
        """List the latest webhooks that were sent or failed, as JSON."""
        return json.loads(self.call("list_webhooks"))

    def mark_event(self, name: str) -> str:
        """Tell that an event has happened now, from which plans of faults count their times."""
        return self.call("mark_event", name)

    def missing_from_export(self, format: str, filter_pattern: str = "", exclude_mocked: bool = False, filter_expr: str = "", seqs: str = "") -> Any:
        """Tell what export_captures of the same arguments leaves out, and why, as a JSON array of
        lines."""
        return json.loads(self.call("missing_from_export", format, filter_pattern, exclude_mocked, filter_expr, seqs))

    def mock_coverage(self, all: bool = False) -> Any:
        """Tell as JSON which endpoints, rules and steps of sequences requests have met, and which
        operations of the contract, since the start or reset_coverage; all adds the endpoints
        that were in force before and are no longer."""
        return json.loads(self.call("mock_coverage", all))

    def name_device(self, address: str, name: str = "") -> str:
        """Give the device with an address a name, which lists show and the filter ~src finds; an
        empty one takes it away."""
        return self.call("name_device", address, name)

    def preview_mock_save(self, key: str, file: str = "") -> Any:
        """Tell as JSON how a scenario file changes when the endpoint of a key is saved to it, or
        removed from it if it is not in force, with a diff and a hash. An empty file is the one
        that is loaded."""
        return json.loads(self.call("preview_mock_save", key, file))

    def put_mock(self, key: str, text: str, replaces: str = "") -> str:
        """Put an endpoint in force that is given in YAML or JSON, in place of another key if there
        is one."""
        return self.call("put_mock", key, text, replaces)

    def release(self, id: int, changes: Any = "{}") -> str:
        """Let a held exchange go on, with changes if there are some: a JSON object of method, url,
        headers, body and body_base64 for a request, and of status, headers, body and
        body_base64 for a response."""
        return self.call("release", id, text_of(changes))

    def release_all(self) -> str:
        """Let all held exchanges go on unchanged."""
        return self.call("release_all")

    def render_body(self, seq: int = 0, side: str = "response", message: int = 0) -> Any:
        """Lay a captured body out, or a message of a WebSocket: its trees, texts and parts, as
        JSON."""
        return json.loads(self.call("render_body", seq, side, message))

    def resend_request(self, request: Any) -> Any:
        """Send a request, given as JSON, through the proxy."""
        return json.loads(self.call("resend_request", text_of(request)))

    def reset_clock(self) -> str:
        """Let the clock show the time of the system again."""
        return self.call("reset_clock")

    def reset_coverage(self) -> str:
        """Let the counts of mock_coverage begin again."""
        return self.call("reset_coverage")

    def reset_mocks(self) -> str:
        """Return to the endpoints of the scenario as it was loaded, or of the configuration."""
        return self.call("reset_mocks")

    def reset_scenario_states(self, scenario: str = "") -> str:
        """Bring a named scenario, or all of them, back into the state Started."""
        return self.call("reset_scenario_states", scenario)

    def restore_captures(self, seqs: str) -> Any:
        """Bring deleted exchanges back that are still in memory, and tell as JSON how many."""
        return json.loads(self.call("restore_captures", seqs))

    def save_bundle(self, since: str = "", filter_expr: str = "", unmask: bool = False) -> Iterator[bytes]:
        """Stream a ZIP archive in base64 with all that is known of the session: exchanges, mocks,
        changes, log, and a script that answers again; since is the number of an exchange, or an
        event that was marked, after which it begins. Secrets are masked."""
        for item in self.streamingcall("save_bundle", since, filter_expr, unmask):
            yield base64.b64decode(item)

    def save_mock(self, key: str, file: str = "", hash: str = "") -> str:
        """Save the endpoint of a key to a scenario file, as preview_mock_save told with this hash."""
        return self.call("save_mock", key, file, hash)

    def set_clock(self, time: str, frozen: bool = False) -> str:
        """Turn the clock of scripts, mocks and certificates to a time in RFC 3339, or by a
        duration such as +36h or -2d; frozen lets it stand still."""
        return self.call("set_clock", time, frozen)

    def set_fault_plan(self, name: str, plan: Any) -> str:
        """Let requests meet a fault: its kind, or a plan with match, when and do in JSON or YAML;
        without a name, a list of plans."""
        return self.call("set_fault_plan", name, text_of(plan))

    def set_mock_fault(self, method: str, path: str, fault: str, answer: Any = "{}") -> str:
        """Let an endpoint fail as the network does: reset, close, stall, truncate, garbage, or a
        JSON object of kind, after and rate; the answer is JSON with the keys of an endpoint."""
        return self.call("set_mock_fault", method, path, fault, text_of(answer))

    def set_network(self, profile: Any, host: str = "", client: str = "") -> str:
        """Put devices on a network: the name of a profile such as edge, or a JSON object of
        profile, down, up, latency, jitter, loss, outage and offline; for one host (a name, an
        address or *.domain) and one client (an address or a range), or for all."""
        return self.call("set_network", text_of(profile), host, client)

    def set_scenario_state(self, scenario: str, state: str) -> str:
        """Bring a named scenario into a state."""
        return self.call("set_scenario_state", scenario, state)

    def set_tls_fault(self, host: str, fault: Any) -> str:
        """Let TLS handshakes for a host (a name or an address, *.domain or *) meet a fault: its
        kind, or a JSON object of kind, times and parameters."""
        return self.call("set_tls_fault", host, text_of(fault))

    def show_network(self) -> Any:
        """List the network profiles that are set as JSON, the closest first."""
        return json.loads(self.call("show_network"))

    def show_script(self, file: str) -> Any:
        """Give the source of a script in force as JSON, with its errors at their lines and the
        notes of the requests that it answered."""
        return json.loads(self.call("show_script", file))

    def tls_audit(self, host: str, kinds: str = "", timeout: float = 300.0) -> Iterator[Any]:
        """Let a device meet one TLS fault after the other on its next connections to a host, and
        stream which it refuses and which it accepts; kinds are separated by commas, timeout is
        in seconds."""
        for item in self.streamingcall("tls_audit", host, kinds, timeout):
            yield json.loads(item)

    def tls_report(self, host: str = "", client: str = "") -> Any:
        """Sum up as JSON the last TLS handshakes of devices by host and client: how many were
        trusted or rejected, and why."""
        return json.loads(self.call("tls_report", host, client))

    def try_request(self, method: str, url: str, headers: str = "{}", body: str = "", server: Any = "") -> Any:
        """Answer a request by a copy of the endpoints in force, and tell as JSON what came of it;
        nothing is sent, captured or changed. Headers are a JSON object or a list of pairs,
        server_json the answer of the real server: status, headers, body."""
        return json.loads(self.call("try_request", method, url, headers, body, text_of(server)))

    def undo_mocks(self) -> str:
        """Undo the latest change of the endpoints that put_mock, remove_mock, clear_mocks,
        reset_mocks or a load of a scenario made."""
        return self.call("undo_mocks")

    def upload_flow_file_part(self, name: str, upload_id: str, offset: int, content_base64: str, last: bool = False) -> str:
        """Put a recording of any size into the flows directory, part by part in order; the caller
        chooses the id."""
        return self.call("upload_flow_file_part", name, upload_id, offset, content_base64, last)

    def upload_mock_file_part(self, relative_path: str, upload_id: str, offset: int, content_base64: str, last: bool = False) -> str:
        """Put a file of any size into the files directory, part by part in order; the caller
        chooses the id."""
        return self.call("upload_mock_file_part", relative_path, upload_id, offset, content_base64, last)

    def watch_captures(self, filter_expr: str = "", highlight_expr: str = "", after: int = 0, since: str = "", live: bool = False) -> Iterator[Any]:
        """Stream captured exchanges in rows: those kept after a number, then new ones and news of
        old ones; with live, also those in flight."""
        for item in self.streamingcall("watch_captures", filter_expr, highlight_expr, after, since, live):
            yield json.loads(item)

    def watch_handshakes(self, host: str = "", client: str = "", after: int = 0) -> Iterator[Any]:
        """Stream TLS handshakes as they end: those remembered after a number, then new ones."""
        for item in self.streamingcall("watch_handshakes", host, client, after):
            yield json.loads(item)

    def watch_held(self) -> Iterator[Any]:
        """Stream the list of the exchanges that are held when it changes."""
        for item in self.streamingcall("watch_held"):
            yield json.loads(item)

    def watch_messages(self, seq: int = 0, after: int = 0) -> Iterator[Any]:
        """Stream the messages of a captured WebSocket until its end."""
        for item in self.streamingcall("watch_messages", seq, after):
            yield json.loads(item)

    def watch_onboarding(self) -> Iterator[Any]:
        """Stream as JSON how far each device is: it reached the proxy, trusts the CA, was answered
        by a mock."""
        for item in self.streamingcall("watch_onboarding"):
            yield json.loads(item)

    def watch_status(self) -> Iterator[Any]:
        """Stream the status when it changes."""
        for item in self.streamingcall("watch_status"):
            yield json.loads(item)

    def write_captured_body(self, seq: int) -> str:
        """Write the file that the definition of capture_as_mock names, if there is one."""
        return self.call("write_captured_body", seq)
