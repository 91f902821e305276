"""The command line gives the same over the database and over REST: answers, and errors with their facts.

Both are asked in turn, of the same database: what the first one changed is undone before the second is asked.
"""

from __future__ import annotations

import inspect
import json
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from harness.everything import Everything
from harness.inprocess import bound_airflow
from harness.inprocess_api import Api, Reader
from pinwheel.airflow3.unit import AirflowUnit
from pinwheel.api import errors as api_errors
from pinwheel.api.access import Permission
from pinwheel.cli import context, main
from pinwheel.cli.backend.local import LocalBackend
from pinwheel.cli.backend.protocol import Backend
from pinwheel.cli.backend.remote import RemoteBackend
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, PinwheelError, Refused
from pinwheel.core.release.decide import Verb
from pinwheel.core.request import (
    BackfillRequest,
    ChangeRequest,
    ClearDatedRequest,
    ClearRequest,
    EraWish,
    HistoryRequest,
    Selection,
    States,
    TimelineRequest,
    TriggerRequest,
)
from pinwheel.core.request_values import MOST_RUNS, MOST_SHOWN, MOST_TASKS
from pinwheel.core.rule_request import (
    CheckRequest,
    DocumentRequest,
    FreezeRequest,
    LiftRequest,
    RolloutRequest,
    TrialRequest,
)
from pinwheel.core.selector import Selector

pytestmark = pytest.mark.airflow

Call = Callable[[Any], Any]
FIRST, LAST = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 3, tzinfo=UTC)

SELECTORS = {
    "none": Selector(),
    "all": Selector(everything=True),
    "all of a bundle": Selector(everything=True, bundle="seed"),
    "all of a tag": Selector(everything=True, tags=("version:1.0",)),
    "every name": Selector(globs=("*",)),
    "some names": Selector(globs=("g*", "un*")),
    "no such name": Selector(globs=("zzz*",)),
    "a bundle": Selector(bundle="seed"),
    "another bundle": Selector(bundle="prebuilt"),
    "no such bundle": Selector(bundle="zzz"),
    "a tag": Selector(tags=("version:1.0",)),
    "one": Selector(ids=("d",)),
    "two, one of them twice": Selector(ids=("unsteady", "d", "d")),
    "a retired one": Selector(ids=("gone",)),
    "a retired one and a pattern": Selector(ids=("gone",), globs=("d*",)),
    "an adopted one": Selector(ids=("adopted",)),
    "a foreign one": Selector(ids=("foreign",)),
    "nobody's": Selector(ids=("nope",)),
    "nobody's and a pattern": Selector(ids=("nope",), globs=("*",)),
    "one of another bundle": Selector(ids=("d",), bundle="prebuilt"),
}


def changing(verb: Verb, *dag_ids: str, **more: Any) -> Call:
    selector = more.pop("selector", None) or Selector(ids=dag_ids or ("d",))
    request = ChangeRequest(verb=verb, selection=Selection(selector=selector), **more)
    return lambda backend: backend.change(request)


def planning(verb: Verb, *dag_ids: str, **more: Any) -> Call:
    selector = more.pop("selector", None) or Selector(ids=dag_ids or ("d",))
    request = ChangeRequest(verb=verb, selection=Selection(selector=selector), **more)
    return lambda backend: backend.plan(request)


def triggering(dag_id: str = "d", **more: Any) -> Call:
    request = TriggerRequest(dag_id=dag_id, **more)
    return lambda backend: backend.trigger(request)


def clearing(*run_ids: str, dag_id: str = "d", **more: Any) -> Call:
    request = ClearRequest(dag_id=dag_id, run_ids=run_ids, **more)
    return lambda backend: backend.clear(request)


def backfilling(dag_id: str = "d", **more: Any) -> Call:
    request = BackfillRequest(dag_id=dag_id, **{"from_date": FIRST, "to_date": LAST, **more})
    return lambda backend: backend.backfill(request)


def history(dag_id: str = "d", **more: Any) -> Call:
    request = HistoryRequest(dag_id=dag_id, **more)
    return lambda backend: backend.history(request)


def era(starts: str | None = "2019-01-01", until: str | None = None, build: int | None = 1) -> EraWish:
    return EraWish(starts=starts, until=until, build=build)


def setting(*eras: EraWish, dag_id: str = "d", **more: Any) -> Call:
    asked = {"verb": "set", "unchecked": True, **more}
    request = TimelineRequest(dag_id=dag_id, eras=eras, **asked)
    return lambda backend: backend.change_timeline(request)


def after_setting(call: Call, *eras: EraWish) -> Call:
    return lambda backend: [setting(*eras)(backend), call(backend)]


def clearing_by_date(dag_id: str = "d", **more: Any) -> Call:
    request = ClearDatedRequest(dag_id=dag_id, **more)
    return lambda backend: backend.clear_by_date(request)


def acting(verb: str, dag_id: str = "staged", **more: Any) -> Call:
    request = RolloutRequest(dag_id=dag_id, verb=verb, **more)
    return lambda backend: backend.act(request)


def checking(verdict: str = "passed", **more: Any) -> Call:
    request = CheckRequest(name="ci/regression", verdict=verdict, **more)
    return lambda backend: backend.set_check(request)


def freezing(*dag_ids: str, **more: Any) -> Call:
    selector = more.pop("selector", None) or Selector(ids=dag_ids or ("d",))
    asked = {"reason": "outage", "since": LAST + timedelta(36_500), **more}
    request = FreezeRequest(selection=Selection(selector=selector), **asked)
    return lambda backend: backend.freeze(request)


def lifting(name: str | None = None, **more: Any) -> Call:
    """Without a name: what is frozen first."""

    def call(backend: Any) -> Any:
        made = name or freezing("d")(backend)["freeze"]["name"]
        request = LiftRequest(name=made, reason="it is over", **more)
        return [backend.lift(request) for _ in range(2 if request.request_id else 1)]

    return call


def saving(text: str, document: str = "other", **more: Any) -> Call:
    request = DocumentRequest(document=document, text=text, **more)
    return lambda backend: backend.save_policies(request)


def trying(text: str, *globs: str, **more: Any) -> Call:
    selection = Selection(selector=Selector(globs=globs))
    request = TrialRequest(text=text, selection=selection, **{"document": "other", **more})
    return lambda backend: backend.try_policies(request)


FILE = "policies: [{name: x, dags: {ids: [watching]}, locked: true, steps: [{approve: {}}, release]}]"
WRONG = "policies:\n- {name: x, dags: all, steps: [{aprove: {}}, release]}"


def of_selections(method: str, **more: Any) -> dict[str, Call]:
    return {
        name: lambda backend, s=selector: getattr(backend, method)(Selection.to_show(s), **more)
        for name, selector in SELECTORS.items()
    }


DAGS = ("d", "unsteady", "gone", "adopted", "foreign", "nope")
CASES: dict[str, dict[str, Call]] = {
    "select": of_selections("select"),
    "status": {
        "": lambda backend: backend.status(),
        **of_selections("status"),
        **{
            f"{state} {wanted}": lambda backend, s=state, w=wanted: backend.status(states=States(**{s: w}))
            for state in ("held", "pinned", "broken", "failing", "behind")
            for wanted in (True, False)
        },
        "with runs": lambda backend: backend.status(runs=True),
        "failing, with runs, of some": lambda backend: backend.status(
            Selection.to_show(Selector(ids=("d",))), states=States(failing=False), runs=True
        ),
    },
    "bundles": {
        "": lambda backend: backend.bundles(),
        "one": lambda backend: backend.bundles(["seed"]),
        "no such": lambda backend: backend.bundles(["zzz"]),
    },
    "keeper": {"": lambda backend: backend.keeper()},
    "builds": {dag_id: lambda backend, d=dag_id: backend.builds(d) for dag_id in DAGS},
    "releases": {
        f"{dag_id} {before}": lambda backend, d=dag_id, b=before: backend.releases(d, include_before=b)
        for dag_id in DAGS
        for before in (False, True)
    },
    "history": {
        **{dag_id: history(dag_id) for dag_id in DAGS},
        "a run": history(run_id="one"),
        "a task": history(task_id="g.a"),
        "a task of a run": history(run_id="one", task_id="g.b"),
        "no such run": history(run_id="nope"),
        "no such task": history(task_id="nope"),
        "the newest": history(limit=1),
        "as many as there may be": history(limit=MOST_SHOWN),
    },
    "diff": {
        **{dag_id: lambda backend, d=dag_id: backend.diff(d) for dag_id in DAGS},
        "two": lambda backend: backend.diff("d", 1, 3),
        "releases": lambda backend: backend.diff("d", "r1", "r2"),
        "no such release": lambda backend: backend.diff("d", "r99"),
        "no such": lambda backend: backend.diff("d", 1, 99),
    },
    "events": {
        "": lambda backend: backend.events(),
        **of_selections("events"),
        "three": lambda backend: backend.events(limit=3),
        "more than a page": lambda backend: backend.events(limit=5000),
        "of kinds": lambda backend: backend.events(kinds=["rollback", "adopt"]),
        "of one Dag, of a kind": lambda backend: backend.events(
            Selection.to_show(Selector(ids=("d",))), kinds=["pin"]
        ),
        "older": lambda backend: backend.events(before_id=5),
        "since": lambda backend: backend.events(since=FIRST),
        "until": lambda backend: backend.events(until=FIRST),
        "of somebody": lambda backend: backend.events(actor="ada"),
        "of nobody": lambda backend: backend.events(actor="nobody"),
        "a reason": lambda backend: backend.events(search="BECAUSE"),
        "folded": lambda backend: backend.events(fold=True),
        "folded, three": lambda backend: backend.events(fold=True, limit=3),
        "folded, of a selection": lambda backend: backend.events(
            Selection.to_show(Selector(ids=("d",))), kinds=["auto", "build"], fold=True
        ),
    },
    "change": {
        **{
            f"{verb} {plan}": changing(verb, reason="because", plan=plan)
            for verb in (Verb.PROMOTE, Verb.PIN, Verb.UNPIN, Verb.ROLLBACK)
            for plan in (True, False)
        },
        **{
            f"pin {name}": changing(Verb.PIN, selector=selector)
            for name, selector in SELECTORS.items()
            if not selector.empty
        },
        "reject": changing(Verb.REJECT, build=2),
        "lift": changing(Verb.LIFT, build=3),
        "to a build": changing(Verb.PIN, build=2, reason="because"),
        "to a release": changing(Verb.ROLLBACK, to_release=1, to_blame=False, rerun_failed=True),
        "a rejected one without a reason": changing(Verb.PROMOTE, build=3),
        "to no such build": changing(Verb.PROMOTE, build=99),
        "to no such release": changing(Verb.ROLLBACK, to_release=99),
        "to no such version": changing(Verb.PIN, bundle_version="zzz"),
        "stale": changing(Verb.PIN, expected_release=1),
        "a build of two": changing(Verb.PIN, "d", "unsteady", build=1),
        "a build that unpin does not take": changing(Verb.UNPIN, build=1),
        "named": changing(Verb.PIN, request_id="deploy-1"),
        "without those that refuse": changing(
            Verb.PIN, "d", "unsteady", "foreign", skip_refused=["foreign", "unsteady"]
        ),
        "with one that refuses": changing(Verb.PIN, "d", "unsteady", "foreign", skip_refused=["unsteady"]),
        "whole runs again": changing(Verb.ROLLBACK, to_release=1, rerun_whole=True),
    },
    "plan": {
        **{str(verb): planning(verb, reason="because") for verb in (Verb.PROMOTE, Verb.PIN, Verb.UNPIN)},
        "of what failed": planning(Verb.ROLLBACK, rerun_failed=True),
        "of whole runs": planning(Verb.ROLLBACK, rerun_whole=True),
        "of all": planning(Verb.ROLLBACK, selector=Selector(everything=True)),
        "of some that refuse": planning(Verb.PROMOTE, "d", "unsteady", "gone", "foreign", "adopted"),
        "without some": planning(Verb.PIN, "d", "foreign", skip_refused=["foreign"]),
        "without any": planning(Verb.PIN, "d", skip_refused=["d"]),
        "a rejected one without a reason": planning(Verb.PROMOTE, build=3),
        "to no such build": planning(Verb.PROMOTE, build=99),
        "stale": planning(Verb.PIN, expected_release=1),
        "of nobody's": planning(Verb.PIN, "d", "nope"),
    },
    "trigger": {
        "active": triggering(run_id="new"),
        "a build": triggering(run_id="new", build=2, note="n", reason="r"),
        "a date": triggering(run_id="new", logical_date=FIRST, conf={"x": [1, {"y": None}]}),
        "plan": triggering(run_id="new", build=2, plan=True),
        "by its date": triggering(run_id="new", by_date=True),
        "taken": triggering(run_id="one"),
        "no such build": triggering(build=99),
        "no such version": triggering(bundle_version="zzz"),
        **{f"of {dag_id}": triggering(dag_id, run_id="new") for dag_id in DAGS[1:]},
    },
    "clear": {
        "one": clearing("one"),
        "on a build": clearing("one", "mapped", build=2, reason="r"),
        "some tasks": clearing("one", task_ids=["g.a", "m"]),
        "failed": clearing("one", only_failed=True),
        "no such task": clearing("one", task_ids=["nope"]),
        "plan": clearing("mapped", build=1, plan=True),
        "no such run": clearing("nope"),
        "no such build": clearing("one", build=99),
        "as many tasks as may be": clearing("one", task_ids=[f"t{n}" for n in range(MOST_TASKS)]),
        **{f"of {dag_id}": clearing("one", dag_id=dag_id) for dag_id in DAGS[1:]},
    },
    "backfill": {
        "Airflow's": backfilling(),
        "on a build": backfilling(build=2, max_active_runs=2, reason="r", dag_run_conf={"x": 1}),
        "backwards": backfilling(build=2, run_backwards=True),
        "again": backfilling(build=2, reprocess_behavior="completed"),
        "plan": backfilling(build=2, plan=True),
        "plan of Airflow's": backfilling(plan=True),
        "the wrong way round": backfilling(from_date=LAST, to_date=FIRST),
        "no such build": backfilling(build=99),
        "while another one is active": lambda backend: [
            backfilling(build=2)(backend),
            backfilling(build=1)(backend),
        ],
        **{f"of {dag_id}": backfilling(dag_id, build=1) for dag_id in DAGS[1:]},
    },
    "timeline": {
        **{dag_id: lambda backend, d=dag_id: backend.timeline(d) for dag_id in DAGS},
        "with eras": after_setting(lambda backend: backend.timeline("d"), era(until="2020-01-01")),
        "at a date": after_setting(lambda backend: backend.timeline("d", at="2019-05"), era()),
        "as of": after_setting(
            lambda backend: backend.timeline("d", at="2019-05", as_of="2018-01-01T00:00:00+00:00"), era()
        ),
        "at no date": lambda backend: backend.timeline("d", at="zzz"),
        "as of a time": after_setting(lambda backend: backend.timeline("d", as_of="2018-01-01"), era()),
        "no id": lambda backend: backend.timeline("d/e"),
    },
    "timeline_history": {
        **{dag_id: lambda backend, d=dag_id: backend.timeline_history(d) for dag_id in DAGS},
        "with eras": after_setting(lambda backend: backend.timeline_history("d"), era()),
    },
    "check_timeline": {
        **{dag_id: lambda backend, d=dag_id: backend.check_timeline(d) for dag_id in DAGS},
        "with eras": after_setting(lambda backend: backend.check_timeline("d"), era(None)),
    },
    "change_timeline": {
        "set": setting(era()),
        "set by a version": setting(EraWish(starts=None, until="2020-01-01", build=2), reason="r"),
        "plan": setting(era(), plan=True),
        "put": setting(era(until="2020-01-01"), era("2020-01-01", None, 2), verb="put"),
        "put none": after_setting(setting(verb="put"), era()),
        "unset": after_setting(setting(era("2019-06-01", "2019-07-01", None), verb="unset"), era()),
        "named": lambda backend: [setting(era(), request_id="k")(backend) for _ in range(2)],
        "nothing new": after_setting(setting(era()), era()),
        "stale": setting(era(), expected_revision=7),
        "overlapping": setting(era(), era("2020-01-01"), verb="put"),
        "no such build": setting(era(build=99)),
        "not looked at": setting(era(), unchecked=False),
        "a rejected one without a reason": setting(era(build=3)),
        "no date": setting(era("zzz")),
        **{f"of {dag_id}": setting(era(), dag_id=dag_id) for dag_id in DAGS[1:]},
    },
    "clear_by_date": {
        "none": clearing_by_date(),
        "all": after_setting(clearing_by_date(), era(None)),
        "some": after_setting(clearing_by_date(run_ids=["one"]), era(None)),
        "plan": after_setting(clearing_by_date(plan=True, reason="r"), era(None)),
        "no such run": clearing_by_date(run_ids=["nope"]),
        **{f"of {dag_id}": clearing_by_date(dag_id) for dag_id in DAGS[1:]},
    },
    "rollouts": {
        "": lambda backend: backend.rollouts(),
        "of a Dag": lambda backend: backend.rollouts(["staged"], states=["live"], limit=1),
        "one": lambda backend: backend.rollouts(limit=1),
        "for a person": lambda backend: backend.rollouts(waiting_for="person"),
        "for a check": lambda backend: backend.rollouts(waiting_for="check:ci"),
        "of a version": lambda backend: backend.rollouts(version="nope"),
        "no such state": lambda backend: backend.rollouts(states=["gone"]),
        "for nothing": lambda backend: backend.rollouts(waiting_for="godot"),
    },
    "rollout": {
        **{dag_id: lambda backend, d=dag_id: backend.rollout(d) for dag_id in ("staged", "d", "nope")},
        "paused": lambda backend: [acting("pause")(backend), backend.rollout("staged")],
        "no id": lambda backend: backend.rollout("d/e"),
    },
    "act": {
        "pause": acting("pause", reason="month end"),
        "plan": acting("abort", reason="not now", plan=True),
        "named": lambda backend: [acting("pause", request_id="k")(backend) for _ in range(2)],
        "restart": acting("restart"),
        "skip": acting("skip", reason="ci is down"),
        "stale": acting("pause", expected_generation=99),
        "not paused": acting("resume"),
        "of the watched": acting("pause", watched=True),
        **{f"of {dag_id}": acting("pause", dag_id) for dag_id in ("d", "adopted", "nope")},
    },
    "set_check": {
        "of a version": checking(bundle="staged", bundle_version="soon", url="https://ci.example/1"),
        "of a build": checking("failed", dag_id="staged", build=3, reason="totals", expires_at=LAST),
        "of a digest": checking("error", digest="d"),
        "named": lambda backend: [checking(digest="d", request_id="k")(backend) for _ in range(2)],
        "of some bundle": checking(bundle_version="soon"),
        "no such build": checking(dag_id="staged", build=99),
        "no such Dag": checking(dag_id="nope", build=1),
    },
    "freeze": {
        "one": freezing(),
        "two": freezing("d", "unsteady", override=["cfo"], until=LAST + timedelta(40_000)),
        "plan": freezing(plan=True),
        "named": lambda backend: [freezing(request_id="k")(backend) for _ in range(2)],
        "over already": freezing(since=None, until=FIRST),
        **{name: freezing(selector=selector) for name, selector in SELECTORS.items() if not selector.empty},
    },
    "freezes": {
        "": lambda backend: backend.freezes(),
        "with one of all": lambda backend: [
            freezing(selector=Selector(everything=True))(backend),
            backend.freezes(),
        ],
    },
    "lift": {
        "one": lifting(),
        "named": lifting(request_id="k"),
        "no such": lifting("nope"),
        "no name of one": lifting("a/b"),
    },
    "windows": {
        **{dag_id: lambda backend, d=dag_id: backend.windows(d) for dag_id in DAGS},
        "frozen": lambda backend: [
            freezing(since=None)(backend),
            backend.windows("d"),
            backend.windows("d", at=FIRST),
        ],
        "at no time": lambda backend: backend.windows("d", at=datetime(1, 1, 2, tzinfo=UTC)),
        "no id": lambda backend: backend.windows("d/e"),
    },
    "policies": {"": lambda backend: backend.policies()},
    "policy_document": {
        "one": lambda backend: backend.policy_document("bank"),
        "of a repository": lambda backend: backend.policy_document("seed", repository=True),
        "no such": lambda backend: backend.policy_document("seed"),
        "no name": lambda backend: backend.policy_document("a/b"),
    },
    "save_policies": {
        "new": saving(FILE, reason="r"),
        "plan": saving(FILE, plan=True),
        "gone": saving("", "bank"),
        "again": lambda backend: [saving(FILE)(backend), saving(FILE)(backend)],
        "wrong": saving(WRONG),
        "with a name that is another's": saving(FILE.replace("name: x", "name: watched")),
        "of the configured file": saving(FILE, "policy_file"),
    },
    "try_policies": {
        "all": trying(FILE),
        "some": trying(FILE, "w*", "d"),
        "none": trying(FILE, "zzz*"),
        "of a repository": trying(FILE.replace("locked: true, ", ""), bundle="seed"),
        "wrong": trying(WRONG),
        "with a name that is another's": trying(FILE.replace("name: x", "name: watched")),
    },
    "explain_policy": {
        **{dag_id: lambda backend, d=dag_id: backend.explain_policy(d) for dag_id in DAGS},
        "under rules": lambda backend: backend.explain_policy("watching"),
    },
}
"""By method of the protocol, what to ask."""
REFUSED: dict[tuple[str, str], type[PinwheelError]] = {
    ("status", "nobody's"): NotFound,
    ("builds", "nope"): NotFound,
    ("history", "no such run"): NotFound,
    ("diff", "no such"): NotFound,
    ("diff", "no such release"): NotFound,
    ("change", "pin no such name"): NotFound,
    ("change", "to no such build"): NotFound,
    ("change", "stale"): Conflict,
    ("change", "a rejected one without a reason"): Refused,
    ("change", "a build of two"): InvalidInput,
    ("change", "a build that unpin does not take"): InvalidInput,
    ("trigger", "taken"): Conflict,
    ("trigger", "no such build"): NotFound,
    ("trigger", "of gone"): Refused,
    ("clear", "no such run"): NotFound,
    ("backfill", "the wrong way round"): InvalidInput,
    ("backfill", "while another one is active"): Conflict,
    ("timeline", "nope"): NotFound,
    ("timeline", "no id"): NotFound,
    ("timeline", "at no date"): InvalidInput,
    ("timeline_history", "nope"): NotFound,
    ("check_timeline", "nope"): NotFound,
    ("change_timeline", "stale"): Conflict,
    ("change_timeline", "overlapping"): InvalidInput,
    ("change_timeline", "no such build"): NotFound,
    ("change_timeline", "not looked at"): Refused,
    ("clear_by_date", "no such run"): NotFound,
    ("policy_document", "no such"): NotFound,
    ("policy_document", "no name"): NotFound,
    ("save_policies", "wrong"): InvalidInput,
    ("save_policies", "with a name that is another's"): InvalidInput,
    ("save_policies", "of the configured file"): Refused,
    ("try_policies", "wrong"): InvalidInput,
    ("explain_policy", "nope"): NotFound,
    ("rollouts", "no such state"): InvalidInput,
    ("rollouts", "for nothing"): InvalidInput,
    ("rollout", "d"): NotFound,
    ("rollout", "nope"): NotFound,
    ("act", "stale"): Conflict,
    ("act", "not paused"): Conflict,
    ("act", "of the watched"): Conflict,
    ("act", "of d"): Conflict,
    ("act", "of nope"): NotFound,
    ("set_check", "of some bundle"): InvalidInput,
    ("set_check", "no such build"): NotFound,
    ("set_check", "no such Dag"): NotFound,
    ("freeze", "nobody's"): NotFound,
    ("freeze", "no such name"): NotFound,
    ("freeze", "over already"): InvalidInput,
    ("lift", "no such"): NotFound,
    ("lift", "no name of one"): NotFound,
    ("windows", "nope"): NotFound,
    ("windows", "at no time"): InvalidInput,
}
"""Of some of these, which error they are."""


class Anybody(Reader):
    """May do everything with every Dag there is."""

    def may(self, permission: Permission, dag_id: str | None) -> bool:
        return True

    def lacking(self, permission: Permission, dag_ids: Collection[str]) -> list[str]:
        return []


class Pair:
    """The local and the remote backend on one database."""

    def __init__(self, file: Path, folder: Path) -> None:
        self.file = file
        self.everything = Everything(folder / "everything")
        self.api = Api(self.everything.host)
        self.api.reader = Anybody(*self.everything.dag_ids)
        self.local: Any = LocalBackend(self.everything.host, actor="ada")
        self.remote: Any = RemoteBackend("http://airflow", transport=httpx.MockTransport(self._answer))
        self.now = self.everything.host.unit.now()
        self.kept = folder / "kept.db"
        _copy(file, self.kept)

    def _answer(self, asked: httpx.Request) -> httpx.Response:
        path = asked.url.raw_path.decode().removeprefix("/pinwheel")
        reply = self.api.http.request(asked.method, path, content=asked.content, headers=dict(asked.headers))
        return httpx.Response(reply.status_code, content=reply.content, headers=reply.headers)

    def ask(self, call: Call) -> list[Any]:
        """What each of the two answers, or the document of its error."""
        found = []
        for backend in (self.local, self.remote):
            try:
                # As text, since the order of the keys is what a person reads.
                with patch.object(AirflowUnit, "now", return_value=self.now):
                    found.append(json.dumps(call(backend)))
            except PinwheelError as error:
                found.append((type(error), error.exit_code, api_errors.declared(error)))
            _copy(self.kept, self.file)
        return found


def _copy(of: Path, to: Path) -> None:
    with closing(sqlite3.connect(of)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)


@pytest.fixture(scope="module")
def pair(sqlite: Any, tmp_path_factory: Any) -> Iterator[Pair]:
    database = sqlite.create()
    folder = tmp_path_factory.mktemp("backends")
    (folder / "everything").mkdir()
    with bound_airflow(database):
        yield Pair(Path(database.url.partition("///")[2]), folder)
    database.drop()


def test_every_method_of_the_protocol_has_cases() -> None:
    methods = {name for name, _ in inspect.getmembers(Backend, inspect.isfunction) if name[0] != "_"}
    assert CASES.keys() == methods


@pytest.mark.parametrize("method", CASES)
def test_both_backends_give_the_same(pair: Pair, method: str) -> None:
    answered = 0
    for name, call in CASES[method].items():
        local, remote = pair.ask(call)
        assert local == remote, (method, name)
        answered += isinstance(local, str)
    assert answered > len(CASES[method]) / 3, "most cases only compare refusals"


def test_both_backends_refuse_with_the_error_of_that_name(pair: Pair) -> None:
    told = {(method, name): pair.ask(CASES[method][name]) for method, name in REFUSED}
    assert {case: [answer[0] for answer in answers] for case, answers in told.items()} == {
        case: [error, error] for case, error in REFUSED.items()
    }


def test_retired_dags_are_shown_where_nothing_is_selected_or_they_are_named(pair: Pair) -> None:
    for backend in (pair.local, pair.remote):
        retired = {view["dag_id"] for view in backend.status() if view["retired"]}
        assert "gone" in retired
        for name in ("all", "all of a bundle", "every name", "some names", "a bundle", "another bundle"):
            selection = Selection.to_show(SELECTORS[name])
            shown = {view["dag_id"] for view in backend.status(selection)}
            assert shown and not shown & retired, name
            assert shown == set(backend.select(selection))
            told = {event["dag_id"] for event in backend.events(selection, limit=5000)}
            assert told - {None} and not told & retired, name
        assert {event["dag_id"] for event in backend.events(limit=5000)} >= {"gone", "d", None}
        named = Selection.to_show(SELECTORS["a retired one"])
        assert [view["dag_id"] for view in backend.status(named)] == ["gone"]
        assert {event["dag_id"] for event in backend.events(named)} == {"gone", None}


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: Selection.to_show(Selector(everything=True, ids=("d",))), "all Dags are selected"),
        (lambda: changing(Verb.PIN, selector=Selector(everything=True, globs=("*",))), "all Dags are"),
        (lambda: changing(Verb.PIN, selector=Selector(tags=())), "no Dag is named"),
        (lambda: changing(Verb.PIN, build=0), "build 0 is below 1"),
        (lambda: changing(Verb.PIN, to_release=2**31), "release 2147483648 is above 2147483647"),
        (lambda: changing(Verb.PIN, build=1, to_release=1), "both a build and a release"),
        (lambda: changing(Verb.PIN, rerun_failed=True), "rerun_failed goes with rollback only"),
        (lambda: changing(Verb.PIN, rerun_whole=True), "rerun_whole goes with rollback only"),
        (
            lambda: changing(Verb.ROLLBACK, rerun_failed=True, rerun_whole=True),
            "both rerun_failed and rerun_w",
        ),
        (lambda: changing(Verb.PIN, to_blame=False), "to_blame goes with rollback only"),
        (lambda: changing(Verb.PIN, reason="x" * 10_001), "its reason has 10001 letters"),
        (lambda: changing(Verb.PIN, bundle_version=""), "its bundle version is empty"),
        (lambda: triggering(run_id="x" * 251), "its run id has 251 letters"),
        (lambda: triggering(note="x" * 1001), "its note has 1001 letters"),
        (lambda: changing(Verb.PIN, request_id="naïve"), "printable ASCII"),
        (lambda: clearing(), "no run is named"),
        (lambda: clearing("one", "x" * 251), "a run id has 251 letters"),
        (lambda: clearing("one", ""), "a run id is empty"),
        (lambda: clearing("one", task_ids=["a", "x" * 251]), "a task id has 251 letters"),
        (lambda: clearing("one", task_ids=[""]), "a task id is empty"),
        (lambda: clearing(*map(str, range(MOST_RUNS + 1))), "1,001 runs are named"),
        (lambda: clearing("one", task_ids=map(str, range(MOST_TASKS + 1))), "5,001 tasks are named"),
        (lambda: history(limit=0), "limit 0"),
        (lambda: history(run_id="x" * 251), "its run id has 251 letters"),
        (lambda: history(task_id=""), "its task id is empty"),
        (lambda: history(limit=MOST_SHOWN + 1), "limit 10001"),
        (lambda: backfilling(max_active_runs=0), "max active runs 0 is below 1"),
    ],
)
def test_what_makes_no_sense_is_refused_before_a_backend_is_asked(make: Any, found: str) -> None:
    with pytest.raises(InvalidInput, match=found) as refused:
        make()
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("state", ["held", "pinned", "broken", "failing", "behind"])
def test_the_status_of_a_state_prints_what_the_filter_of_the_fleet_shows(
    pair: Pair, state: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = pair.api.http.get("/api/v1/fleet", params={state: True, "limit": 100})
    assert reply.status_code == 200, reply.text
    shown = {dag["dag_id"]: dag["runs"] for dag in reply.json()["dags"]}
    every = pair.api.http.get("/api/v1/fleet", params={"limit": 100}).json()["dags"]
    assert len(shown) < len(every)
    for backend in (pair.local, pair.remote):
        monkeypatch.setattr(context, "make_backend", lambda args, asked=backend: asked)
        assert main.main(["status", f"--{state}", "--output", "json"]) == 0
        assert {dag["dag_id"]: dag["runs"] for dag in json.loads(capsys.readouterr().out)} == shown
        assert main.main(["status", f"--{state}"]) == 0
        table = capsys.readouterr().out
        assert all(dag_id in table for dag_id in shown)
