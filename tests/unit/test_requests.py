"""What a request is noted and sent as. What it refuses by itself: tests/contract/test_backends.py."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from pinwheel.cli.backend.remote import body_of
from pinwheel.core.digest import digest_of
from pinwheel.core.release.decide import Verb
from pinwheel.core.request import BackfillRequest, ChangeRequest, ClearRequest, Selection, TriggerRequest
from pinwheel.core.selector import Selector
from pinwheel.services import change, once
from pinwheel.services.run import backfill, clear, trigger

EAST = timezone(timedelta(hours=2))


def changing(verb: Verb, selector: Selector, *dag_ids: str, **more: Any) -> once.Request:
    request = ChangeRequest(verb=verb, selection=Selection(selector=selector), **more)
    return change._request(change.Change(request=request, dag_ids=dag_ids, actor="ada"))


CHANGE = {
    "reason": None,
    "build": None,
    "to_release": None,
    "expected_release": None,
    "rerun_failed": False,
}
NOTED: dict[str, tuple[once.Request, list[Any]]] = {
    "a change of Dags by name": (
        changing(Verb.PIN, Selector(ids=("b", "a", "b")), "a", "b", reason="r", build=None),
        ["pin", ["a", "b"], {**CHANGE, "reason": "r"}],
    ),
    "a change of what a pattern means": (
        changing(Verb.UNPIN, Selector(globs=("s*",), tags=("y", "x"), bundle="m"), "s1"),
        ["unpin", [[], ["s*"], ["x", "y"], "m", False], CHANGE],
    ),
    "a rollback that blames nothing": (
        changing(Verb.ROLLBACK, Selector(ids=("a",)), "a", to_blame=False, to_release=2, rerun_failed=True),
        ["rollback", ["a"], {**CHANGE, "to_release": 2, "rerun_failed": True, "to_blame": False}],
    ),
    "a rollback that leaves Dags out and runs whole runs again": (
        changing(
            Verb.ROLLBACK,
            Selector(ids=("a", "b", "c")),
            "a",
            "b",
            "c",
            skip_refused=["c", "b"],
            rerun_whole=True,
        ),
        ["rollback", ["a", "b", "c"], {**CHANGE, "skip_refused": ["b", "c"], "rerun_whole": True}],
    ),
    "a change to a version": (
        changing(Verb.PIN, Selector(ids=("a",)), "a", bundle_version="v"),
        ["pin", ["a"], {**CHANGE, "bundle_version": "v"}],
    ),
    "a run": (
        trigger._request(
            TriggerRequest(
                dag_id="a", build=2, logical_date=datetime(2026, 2, 1, 2, tzinfo=EAST), conf={"x": 1}
            ),
            "ada",
            once.all_of_them,
        ),
        [
            "trigger",
            ["a"],
            {
                "build": 2,
                "run_id": None,
                "logical_date": "2026-02-01T00:00:00+00:00",
                "conf": {"x": 1},
                "note": None,
                "reason": None,
            },
        ],
    ),
    "a clear": (
        clear._request(
            ClearRequest(dag_id="a", run_ids=("s", "r", "s"), task_ids=("t",)), "ada", once.all_of_them
        ),
        [
            "clear",
            ["a"],
            {"run_ids": ["r", "s"], "build": None, "only_failed": False, "task_ids": ["t"], "reason": None},
        ],
    ),
    "a backfill": (
        backfill._request(
            BackfillRequest(
                dag_id="a",
                from_date=datetime(2026, 1, 1, tzinfo=UTC),
                to_date=datetime(2026, 1, 2, tzinfo=UTC),
                reprocess_behavior="failed",
                dag_run_conf={"k": 1},
            ),
            "ada",
            once.all_of_them,
        ),
        [
            "backfill",
            ["a"],
            {
                "from_date": "2026-01-01T00:00:00+00:00",
                "to_date": "2026-01-02T00:00:00+00:00",
                "max_active_runs": 10,
                "run_backwards": False,
                "reprocess": "failed",
                "conf": {"k": 1},
                "build": None,
                "reason": None,
            },
        ],
    ),
}


@pytest.mark.parametrize("kind", NOTED)
def test_an_id_that_was_used_before_an_upgrade_stands_for_the_same_request(kind: str) -> None:
    request, noted = NOTED[kind]
    assert request.fingerprint == digest_of(noted)


def test_neither_a_plan_nor_the_id_itself_makes_it_another_request() -> None:
    plain, named = (
        changing(Verb.PIN, Selector(ids=("a",)), "a", **more)
        for more in ({}, {"plan": True, "request_id": "deploy-1"})
    )
    assert plain.fingerprint == named.fingerprint


def test_a_body_has_neither_what_stands_in_the_path_and_headers_nor_what_was_not_said() -> None:
    selection = Selection(selector=Selector(globs=("s*",)))
    request = ChangeRequest(verb=Verb.PIN, selection=selection, reason="r", request_id="deploy-1")
    assert json.loads(json.dumps(body_of(request))) == {
        "verb": "pin",
        "selector": {"ids": [], "globs": ["s*"], "tags": [], "bundle": None, "everything": False},
        "reason": "r",
        "rerun_failed": False,
        "rerun_whole": False,
        "to_blame": True,
        "now": False,
        "skip_refused": [],
        "plan": False,
    }
    date = datetime(2026, 1, 1, tzinfo=UTC)
    assert body_of(TriggerRequest(dag_id="a", logical_date=date, conf={"at": [1]})) == {
        "logical_date": "2026-01-01T00:00:00+00:00",
        "conf": {"at": [1]},
        "plan": False,
        "by_date": False,
    }
