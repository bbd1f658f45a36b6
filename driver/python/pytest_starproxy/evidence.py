"""What a failed test leaves: a bundle of its session, and its exchanges as text."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

from jumpstarter_driver_starproxy.client import StarproxyClient

# Bounds of the text, so that a report stays readable.
_MOST_EXCHANGES = 50
_MOST_UNMATCHED = 10
_MOST_NEAREST = 3


# The URLs of requests by their method and their time in microseconds.
_URLs = dict[tuple[str, int], str]


def file_name(nodeid: str) -> str:
    """Return the name of a test's bundle, without its ending. Different tests have different names."""
    digest = hashlib.sha256(nodeid.encode()).hexdigest()[:8]
    words = re.sub(r"[^\w.-]+", "-", nodeid.replace("/", "."), flags=re.ASCII).strip("-.")
    return f"{words[:100]}-{digest}"


def narrative(proxy: StarproxyClient, since: str, bundle: Path | None) -> str:
    """Return the exchanges since a mark as text, those that no mock answered first.

    URLs are those of the bundle, in which secrets are masked. Without a bundle they end before
    the query.
    """
    rows = proxy.exchanges(since)
    if not rows:
        return "The proxy has seen no request since the test began."
    urls, misses = _from_bundle(bundle) if bundle else ({}, {})
    told: list[str] = []
    unmatched = [row for row in rows if row.get("unmatched")]
    if unmatched:
        told.append(f"No mock answers {_count(len(unmatched), 'request')}:")
        for row in unmatched[-_MOST_UNMATCHED:]:
            told.append("  " + _line(row, urls))
            for miss in misses.get(row["seq"], [])[:_MOST_NEAREST]:
                told.append(f"      nearest: {miss['endpoint']} ({miss['source']}): {'; '.join(miss['why'])}")
        told += _more(unmatched, _MOST_UNMATCHED)
        told.append("")
    told.append(f"{_count(len(rows), 'exchange')} since the test began:")
    told += ["  " + _line(row, urls) for row in rows[-_MOST_EXCHANGES:]]
    told += _more(rows, _MOST_EXCHANGES)
    return "\n".join(told)


def _more(rows: list[dict], most: int) -> list[str]:
    return [f"  and {len(rows) - most} earlier"] if len(rows) > most else []


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _line(row: dict, urls: _URLs) -> str:
    """Return an exchange in one line."""
    number = f"#{row['seq']}"
    error = f": {row['error']}" if row.get("error") else ""
    if row["kind"] != "http":
        return f"{number} {row['kind'].replace('_', ' ')} {row['host']}:{row['port']}{error}"
    at = row["host"] if row["port"] in (80, 443) else f"{row['host']}:{row['port']}"
    path, query, _ = row["path"].partition("?")
    masked = (urls.get((row["method"], _micros(row["start"]) + off)) for off in (0, -1, 1))
    url = next(filter(None, masked), "") or f"{row['scheme']}://{at}{path}{query}{'…' if query else ''}"
    if row.get("unmatched"):
        how, error = ", no mock", ""
    elif row.get("endpoint"):
        how = f" by {row['endpoint']}"
    else:
        how = f", {row['origin']}"
    met = ", fault" if row.get("fault") else ""
    return f"{number} {row['method']} {url} → {row['status'] or 'no answer'}{how}{met}, {row['duration_ms']:.0f} ms{error}"


def _from_bundle(bundle: Path) -> tuple[_URLs, dict[int, list[dict]]]:
    """Return what a bundle has masked: the URLs by method and time, and the nearest mocks by number."""
    urls: _URLs = {}
    misses: dict[int, list[dict]] = {}
    with zipfile.ZipFile(bundle) as z:
        for entry in _json(z, "session.har", {"log": {"entries": []}})["log"]["entries"]:
            start = datetime.fromisoformat(entry["startedDateTime"]).timestamp()
            urls[entry["request"]["method"], _micros(start)] = entry["request"]["url"]
        for miss in _json(z, "misses.json", []):
            misses[miss["exchange"]] = (miss["why"] or {}).get("misses") or []
    return urls, misses


def _micros(start: float) -> int:
    """Return a time in microseconds. Files may round it to one more or less."""
    return round(start * 1e6)


def _json(z: zipfile.ZipFile, name: str, otherwise: Any) -> Any:
    return json.loads(z.read(name)) if name in z.namelist() else otherwise
