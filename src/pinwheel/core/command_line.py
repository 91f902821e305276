"""The command line that does what somebody is about to do by hand: for copying it out of the UI."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pinwheel.core.text import shell_word, visible_json


def change(
    verb: str,
    dag_id: str,
    *,
    build: int | None = None,
    bundle_version: str | None = None,
    to_release: int | None = None,
    reason: str | None = None,
    expected_release: int | None = None,
    rerun_failed: bool = False,
    to_blame: bool = True,
) -> str:
    """``pinwheel promote``, ``rollback``, ``pin``, ``unpin`` or ``reject`` of one Dag, quoted for a shell."""
    return _command(
        "reject" if verb == "lift" else verb,
        [dag_id],
        {
            "--lift": verb == "lift",
            "--build": build,
            "--bundle-version": bundle_version,
            "--to" if verb == "rollback" else "--release": to_release,
            "--rerun-failed": rerun_failed,
            "--not-to-blame": not to_blame,
            "--reason": reason,
            "--expected-release": expected_release,
        },
    )


def trigger(
    dag_id: str,
    *,
    build: int | None = None,
    bundle_version: str | None = None,
    run_id: str | None = None,
    logical_date: datetime | None = None,
    conf: Mapping[str, Any] | None = None,
    note: str | None = None,
    reason: str | None = None,
) -> str:
    """``pinwheel trigger``."""
    return _command(
        "trigger",
        [dag_id],
        {
            "--build": build,
            "--bundle-version": bundle_version,
            "--run-id": run_id,
            "--logical-date": logical_date.isoformat() if logical_date else None,
            "--conf": _json(conf) if conf is not None else None,
            "--note": note,
            "--reason": reason,
        },
    )


def diff(dag_id: str, from_build: int, to_build: int) -> str:
    """``pinwheel diff``."""
    return _command("diff", [dag_id, from_build, to_build], {})


def _json(value: Any) -> str:
    return visible_json(json.dumps(value, ensure_ascii=False, sort_keys=True))


def _command(verb: str, places: list[Any], options: Mapping[str, Any]) -> str:
    """Options as ``--name=value``, so that a value may begin with a dash; so may what follows ``--``."""
    words = ["pinwheel", verb]
    for name, value in options.items():
        if value is True:
            words.append(name)
        elif value is not None and value is not False:
            words.append(f"{name}={shell_word(str(value))}")
    if any(str(place).startswith("-") for place in places):
        words.append("--")
    return " ".join([*words, *(shell_word(str(place)) for place in places)])
