"""The command line that does what somebody is about to do by hand: for copying it out of the UI."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pinwheel.core.release.decide import Verb
from pinwheel.core.request import ChangeRequest, ClearRequest, TriggerRequest
from pinwheel.core.rule_request import RolloutRequest
from pinwheel.core.text import shell_word, visible_json


def change(request: ChangeRequest) -> str:
    """``pinwheel promote``, ``rollback``, ``pin``, ``unpin`` or ``reject`` of Dags named by their ids."""
    verb = request.verb
    return _command(
        "reject" if verb is Verb.LIFT else verb.value,
        request.selection.selector.ids,
        {
            "--lift": verb is Verb.LIFT,
            "--build": request.build,
            "--bundle-version": request.bundle_version,
            "--to" if verb is Verb.ROLLBACK else "--release": request.to_release,
            "--rerun-failed": request.rerun_failed,
            "--rerun-whole": request.rerun_whole,
            "--not-to-blame": not request.to_blame,
            "--eras": request.eras,
            "--at": request.at.isoformat() if request.at is not None else None,
            "--now": request.now,
            "--reason": request.reason,
            "--expected-release": request.expected_release,
        },
    )


def rollout(request: RolloutRequest) -> str:
    """``pinwheel rollout approve`` and the other acts."""
    return _command(
        f"rollout {request.verb.value}",
        [request.dag_id],
        {
            "--watched": request.watched,
            "--reason": request.reason,
            "--expected-generation": request.expected_generation,
        },
    )


def trigger(request: TriggerRequest) -> str:
    """``pinwheel trigger``."""
    return _command(
        "trigger",
        [request.dag_id],
        {
            "--build": "by-date" if request.by_date else request.build,
            "--bundle-version": request.bundle_version,
            "--run-id": request.run_id,
            "--logical-date": request.logical_date.isoformat() if request.logical_date else None,
            "--conf": _json(request.conf) if request.conf is not None else None,
            "--note": request.note,
            "--reason": request.reason,
        },
    )


def clear(request: ClearRequest) -> str:
    """``pinwheel clear``."""
    return _command(
        "clear",
        [request.dag_id, *request.run_ids],
        {
            "--build": "by-date" if request.by_date else request.build,
            "--bundle-version": request.bundle_version,
            "--only-failed": request.only_failed,
            "--task-id": request.task_ids,
            "--reason": request.reason,
        },
    )


def diff(dag_id: str, from_build: int, to_build: int) -> str:
    """``pinwheel diff``."""
    return _command("diff", [dag_id, from_build, to_build], {})


def _json(value: Any) -> str:
    return visible_json(json.dumps(value, ensure_ascii=False, sort_keys=True))


def _command(verb: str, places: Sequence[Any], options: Mapping[str, Any]) -> str:
    """Options as ``--name=value``, so that a value may begin with a dash; so may what follows ``--``."""
    words = ["pinwheel", verb]
    for name, value in options.items():
        if value is True:
            words.append(name)
        elif value is not None and value is not False:
            several = value if isinstance(value, tuple) else (value,)
            words += [f"{name}={shell_word(str(one))}" for one in several]
    if any(str(place).startswith("-") for place in places):
        words.append("--")
    return " ".join([*words, *(shell_word(str(place)) for place in places)])
