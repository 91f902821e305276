"""Tables of the command line: what they keep in narrow terminals, and what they fold."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from pinwheel.cli import context, main, output
from pinwheel.core.request import EVERY, Selection, States
from pinwheel.core.selector import Selector

LONG = "quality.regional_reconciliation_of_inbound_invoices_with_the_ledger_of_the_subsidiaries_v2"


class Backend:
    """Answers each call as told, by its name."""

    address = "http://airflow"

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: dict[str, dict[str, Any]] = {}
        self.given: dict[str, tuple[Any, ...]] = {}

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            self.given[name], self.asked[name] = given, named
            return self.answers[name]

        return call


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    def run(*command: str, width: int | None = None, **answers: Any) -> str:
        monkeypatch.setattr(context, "make_backend", lambda args: Backend(**answers))
        monkeypatch.setenv("COLUMNS", str(width or 10_000))
        assert main.main(list(command)) == 0
        return str(capsys.readouterr().out)

    return run


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


WELL = {"problems": []}
"""Of keepers that are well."""


def event(**more: Any) -> dict[str, Any]:
    return {
        "id": 1,
        "at": "2026-03-04T12:00:00+00:00",
        "kind": "rollback",
        "dag_id": "orders",
        "bundle": "dags",
        "actor": "admin",
        "reason": "the totals of the regional reconciliation do not match the ledger of the subsidiaries",
        **more,
    }


ROLLED_BACK = event(release=5, build=2, from_release=4, from_build=3)
TRIGGERED = event(kind="trigger", run_id="hourly_2026-11-30T00:00:00+00:00", build=3)


def test_of_an_event_the_change_is_whole_before_the_reason_is_shown(said: Any) -> None:
    for width in (80, 100, 120):
        out = said("events", width=width, events=[ROLLED_BACK, TRIGGERED])
        assert max(map(len, out.splitlines())) <= width
        assert "release 5 (build 3 → 2)" in out
        assert "build 3: run hourly_2026-11-30T00:00" in out
    assert "Reason" not in said("events", width=80, events=[ROLLED_BACK, TRIGGERED])
    assert "Reason" in said("events", width=120, events=[ROLLED_BACK, TRIGGERED])


def test_a_long_id_is_folded_and_no_other_column_is(said: Any) -> None:
    out = said("events", width=100, events=[{**ROLLED_BACK, "dag_id": LONG}])
    assert max(map(len, out.splitlines())) <= 100
    assert "release 5 (build 3 → 2)" in out
    assert output.short_time(ROLLED_BACK["at"]) in out
    assert LONG not in out and LONG[:14] in out


def test_events_of_one_change_are_one_line_that_says_of_how_many_dags(said: Any) -> None:
    broken = event(
        kind="broken",
        actor="pinwheel",
        reason=None,
        bundle_version="b" * 40,
        path="risk_factory.py",
        error="SyntaxError: expected ':'",
        alike={"events": 55, "dags": 55},
    )
    fault = event(kind="fault", dag_id=None, alike={"events": 12, "dags": 0})
    lines = said(
        "events", events=[broken, fault, {**ROLLED_BACK, "alike": {"events": 1, "dags": 1}}]
    ).splitlines()
    assert len(lines) == 5
    assert "orders and 54 more" in lines[2] and "bbbbbbbb risk_factory.py" in lines[2]
    assert "dags (12 times)" in lines[3]
    assert "more" not in lines[4]


@pytest.mark.parametrize(("form", "fold"), [("table", True), ("json", False), ("yaml", False)])
def test_programs_get_every_event_and_people_one_line_for_equal_ones(
    form: str, fold: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = Backend(events=[])
    monkeypatch.setattr(context, "make_backend", lambda args: backend)
    assert main.main(["events", "--actor", "ada", "--search", "totals", "-o", form]) == 0
    asked = backend.asked["events"]
    assert (asked["actor"], asked["search"], asked["fold"]) == ("ada", "totals", fold)


def status(dag_id: str, **more: Any) -> dict[str, Any]:
    return {
        "dag_id": dag_id,
        "bundle": "dags",
        "active_release": 2,
        "active_build": 2,
        "newest_build": 2,
        "track": "auto",
        "held": False,
        "holds": [],
        "behind": None,
        "label": None,
        "broken": None,
        "retired": False,
        "reason": None,
        "actor": None,
        "since": "2026-03-04T12:00:00+00:00",
        "unstable": [],
        "bundle_version": "a" * 40,
        **more,
    }


def test_narrow_tables_keep_who_and_why_before_when(said: Any) -> None:
    held = status(
        "orders_daily_of_all_shops",
        track="pinned",
        held=True,
        newest_build=3,
        actor="admin",
        reason="month end",
    )
    made = {
        "release": 4,
        "build": 2,
        "kind": "rollback",
        "label": None,
        "bundle_version": "a" * 40,
        "fetchable": True,
    }
    release = {
        **made,
        "active": True,
        "created_at": held["since"],
        "actor": "admin",
        "reason": "wrong totals",
    }
    for width, kept, left in ((80, "held pinned", "Since"), (100, "admin", "Since"), (140, "admin", "Dagx")):
        out = said("status", width=width, status=[held], bundles={"bundles": [], "faults": []}, keeper=WELL)
        table = out.splitlines()[:3]
        assert max(map(len, table)) <= width and kept in table[2] and left not in table[0]
    for width in (66, 76):
        out = said("releases", "d", width=width, releases=[release])
        assert max(map(len, out.splitlines())) <= width
        assert "wrong totals" in out and "rollback" in out and "Made" not in out


def test_a_file_that_breaks_many_dags_is_told_once(said: Any) -> None:
    broken = {
        "bundle_version": "b" * 40,
        "path": "risk_factory.py",
        "at": "2026-03-04T12:00:00+00:00",
        "error": "Traceback\nSyntaxError: expected ':'",
    }
    rows = [status(f"risk_{n:02}", broken=broken) for n in range(55)]
    rows.append(status("solo", broken={**broken, "path": "solo.py"}))
    out = said("status", status=rows, bundles={"bundles": [], "faults": []}, keeper=WELL)
    told = [line for line in out.splitlines() if "broken since" in line]
    assert len(told) == 2
    assert told[0].startswith("55 Dags are broken since ")
    assert "bbbbbbbb (risk_factory.py): SyntaxError: expected ':'" in told[0]
    assert told[0].endswith("They stay on their active releases: risk_00, risk_01, risk_02 and 52 more.")
    assert told[1].startswith("solo is broken since") and told[1].endswith("It stays on its active release.")


def test_a_state_that_is_asked_for_leaves_retired_dags_out(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Backend(status=[], bundles={"bundles": [], "faults": []}, keeper=WELL)
    monkeypatch.setattr(context, "make_backend", lambda args: backend)
    assert main.main(["status", "--held", "--failing"]) == 0
    selection, asked = backend.given["status"], backend.asked["status"]
    assert asked == {"states": States(held=True, failing=True), "runs": True}
    assert selection == (Selection(selector=Selector(everything=True)),)
    assert main.main(["status"]) == 0
    assert (backend.given["status"], backend.asked["status"]["states"]) == ((EVERY,), States())
    assert main.main(["status", "--pinned", "--tag", "x"]) == 0
    assert backend.given["status"] == (Selection(selector=Selector(tags=("x",))),)


def test_failing_dags_say_what_their_runs_came_to(said: Any) -> None:
    rows = [status("a", runs={"success": 5, "failed": 2}), status("b", runs=None)]
    out = said("status", "--failing", status=rows, bundles={"bundles": [], "faults": []}, keeper=WELL)
    assert "2 failed, 5 success" in out
    assert "Runs" not in said("status", status=rows, bundles={"bundles": [], "faults": []}, keeper=WELL)


def test_times_name_their_date_and_their_zone(said: Any, zone: None) -> None:
    out = said("events", events=[ROLLED_BACK])
    now = datetime.now().astimezone().tzname()
    assert f"When ({now})" in out
    at = "2026-03-04T12:00:00+00:00"
    summer = "2026-07-04T12:00:00+00:00"
    winter_now = datetime(2026, 3, 5, tzinfo=UTC)
    assert output.short_time(at, now=winter_now) == "04 Mar 13:00:00"
    assert output.short_time(summer, now=winter_now) == "04 Jul 14:00:00 CEST"
    assert output.short_time("2024-06-15T12:00:00+00:00", now=winter_now) == "15 Jun 2024 14:00 CEST"
    assert output.time_and_zone(at).endswith(" CET")
    assert output.time_and_zone(summer).endswith(" CEST") and output.time_and_zone(summer).count("CEST") == 1
    assert output.time_and_zone(None) == output.short_time(None) == ""


def test_what_changed_is_said_with_the_page_that_shows_it(said: Any) -> None:
    outcome = {
        "dag_id": "a b",
        "changed": True,
        "message": "held on build 1 until unpinned",
        "kind": "rollback",
        "release": 3,
        "build": 1,
        "from_release": 2,
        "from_build": 2,
        "track": "pinned",
        "warnings": [],
        "rerun": [],
    }
    assert said("rollback", "a b", change=[outcome]).splitlines()[-1] == (
        "See http://airflow/dags/a%20b/plugin/dag-releases"
    )
    out = said("rollback", "a", "b", "--yes", change=[outcome, {**outcome, "dag_id": "b"}])
    assert out.splitlines()[-1] == "See http://airflow/plugin/releases"
    assert "http" not in said("rollback", "a b", "-o", "json", change=[outcome])


def test_what_is_the_matter_with_keepers_is_said_below_the_dags(said: Any) -> None:
    problem = "No keeper for 60 s"
    out = said("status", status=[], bundles={"bundles": [], "faults": []}, keeper={"problems": [problem]})
    assert problem in out


def test_keepers_are_shown_with_what_waits_and_what_ran_unbound(said: Any) -> None:
    at = "2026-03-01T00:00:00+00:00"
    found = {
        "problems": ["No keeper for 60 s"],
        "dated_dags": 2,
        "waiting_runs": 1,
        "keepers": [{"process": "m:1", "last_turn": at, "alive": False}],
        "waiting": [
            {"dag_id": "a", "run_id": "r", "since": at, "why": "because", "until": None, "backfill": False}
        ],
        "unbound": [{"dag_id": "b", "run_id": "x", "state": "success", "ended_at": at}],
    }
    out = said("keeper", "status", keeper=found)
    wanted = ["No keeper for 60 s", "m:1", "gone", "2 Dags", "1 run waiting", "because", "pinwheel clear b x"]
    assert [words for words in wanted if words not in out] == []
    nobody = said("keeper", "status", keeper={**found, "keepers": []})
    assert "No keeper. The Dag processor starts one" in nobody
