"""How many of the mocks the tests have met, told at the end of the run."""

from __future__ import annotations

from collections.abc import Iterable

# How many mocks that were never met are told.
_MOST = 20


def merged(reports: Iterable[dict]) -> list[dict]:
    """Return the parts of the reports of mock_coverage, each once with the sum of its hits."""
    parts: dict[tuple, dict] = {}
    for report in reports:
        for part in report["parts"]:
            if not part["enabled"]:
                continue
            key = (part["kind"], part["key"], part["part"])
            if key in parts:
                parts[key]["hits"] += part["hits"]
            else:
                parts[key] = dict(part)
    return list(parts.values())


def lines(parts: list[dict]) -> list[str]:
    """Return the sentences about the parts; none when there are no mocks."""
    if not parts:
        return []
    missed = [p for p in parts if not p["hits"]]
    met = len(parts) - len(missed)
    told = [f"The tests met {met} of {len(parts)} endpoints, rules and steps of the mocks ({100 * met // len(parts)} %)."]
    if missed:
        told.append("Never met:")
    for part in missed[:_MOST]:
        source = f"  ({part['source']})" if part["source"] else ""
        kind = "operation" if part["kind"] == "operation" else ""
        told.append(f"  {' '.join(filter(None, (kind, part['key'], part['part'])))}{source}")
    if len(missed) > _MOST:
        told.append(f"  and {len(missed) - _MOST} more")
    return told
