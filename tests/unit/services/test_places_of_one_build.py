"""One build at several bundle versions: each is a place of its own, judged, rejected and released as that."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import asked
from harness.pushing import File
from harness.rolling import Rolling
from pinwheel.core.errors import PinwheelError, Refused
from pinwheel.core.release.decide import Verb
from pinwheel.core.rollout.hold import HoldKind
from pinwheel.services.show.line import line
from pinwheel.services.show.status import status
from pinwheel.store import tables as t

CHECKED = "policies: [{name: checked, dags: {ids: [a]}, steps: [{check: {name: ci, of: version}}, release]}]"


@pytest.fixture
def rolling() -> Rolling:
    """Build 1 of ``a`` is active, and a check is asked for from now on."""
    made = Rolling()
    made.push(a=File(body=0))
    made.platform(CHECKED)
    return made


def holds(world: Rolling) -> list[tuple[HoldKind, str | None]]:
    return [(each.kind, each.reason) for each in world.status().holds]


def turns_down(world: Rolling, version: str) -> None:
    world.say("ci", "failed", version=version)
    world.turn()


@pytest.mark.acceptance("rollouts", 81)
def test_of_a_place_of_the_active_build_that_fails_the_span_is_rejected_and_not_the_build(
    rolling: Rolling,
) -> None:
    active = rolling.versions()[-1]
    rolling.push(b=File(body=1))
    second = rolling.push(b=File(body=2))
    rolling.do(Verb.PROMOTE)
    assert rolling.last.place.version == second
    turns_down(rolling, second)
    assert rolling.states() == ["rejected"]
    assert rolling.rejected() == {}, "the build is not"
    (span,) = rolling.rows(t.rejection)
    assert (span.first_seq, span.last_seq) == (2, 3)
    assert rolling.airflow_has() == (1, active, False)
    assert holds(rolling)[0][0] is HoldKind.REJECTED
    rolling.push(a=File(body=1))
    back = rolling.push(a=File(body=0))
    assert [kind for kind, _ in holds(rolling)] == [HoldKind.BEHIND], "what comes after that may go"
    rolling.do(Verb.PROMOTE)
    rolling.say("ci", "passed", version=back)
    rolling.turn()
    assert rolling.airflow_has() == (2, back, False)
    assert rolling.ledger() == [(1, 1, "auto"), (2, 1, "auto")]


@pytest.mark.acceptance("rollouts", 81)
def test_an_unpinned_dag_follows_past_a_rejected_span_and_never_into_it(rolling: Rolling) -> None:
    active = rolling.versions()[-1]
    second = rolling.push(b=File(body=1))
    rolling.do(Verb.PROMOTE)
    turns_down(rolling, second)
    rolling.platform("policies: []")
    rolling.turn()
    assert rolling.airflow_has()[1] == active
    third = rolling.push(b=File(body=2))
    assert rolling.airflow_has() == (1, third, False)


@pytest.mark.acceptance("rollouts", 82)
def test_a_rejected_build_in_a_later_version_is_offered_and_released_with_a_reason_only(
    rolling: Rolling,
) -> None:
    turns_down(rolling, rolling.push(a=File(body=1)))
    why = list(rolling.rejected().values())
    turns_down(rolling, rolling.push(a=File(body=2)))
    later = rolling.push(a=File(body=1), b=File(body=1))
    rolling.say("ci", "passed", version=later)
    rolling.turn()
    assert rolling.active() == (1, 1), "also where it passes there"
    assert rolling.states() == ["rejected", "rejected"]
    assert holds(rolling) == [(HoldKind.REJECTED, why[0])]
    with pytest.raises(Refused, match="say why with a reason"):
        rolling.do(Verb.PROMOTE)
    outcome = rolling.do(Verb.PROMOTE, reason="the data was at fault")
    assert (outcome.lifted, "rejected" in outcome.message) == (True, False)
    rolling.turn()
    assert list(rolling.rejected()) == [3]
    assert (rolling.active(), rolling.versions()[-1]) == ((2, 2), later)
    assert holds(rolling) == []


@pytest.mark.acceptance("pushes", 18)
def test_a_dag_whose_newest_build_is_ahead_stands_and_its_active_builds_span_is_closed(
    rolling: Rolling,
) -> None:
    active = rolling.versions()[-1]
    ahead = rolling.push(a=File(body=1))
    rolling.push(b=File(body=1))
    assert rolling.airflow_has() == (1, active, False)
    spans = {
        row.build_id: (row.first_seq, row.last_seq) for row in rolling.rows(t.stand) if row.dag_id == "a"
    }
    assert spans == {1: (1, 1), 2: (2, None)}
    rolling.run("r")
    assert [run.bundle_version for run in rolling.airflow.tables.runs.values()] == [active]
    rolling.say("ci", "passed", version=ahead)
    rolling.turn()
    assert rolling.airflow_has() == (2, ahead, False), "the place that was judged"


STEPS = st.sampled_from(
    [
        *("well", "failed", "again"),
        *("push", "other", "passes", "promote", "rollback", "pin 1", "pin 2", "unpin"),
    ]
)


@pytest.mark.acceptance("rollouts", 83)
@given(steps=st.lists(STEPS, min_size=8, max_size=24))
def test_two_releases_of_one_build_are_told_apart_everywhere(steps: list[str]) -> None:
    world, body = Rolling(), 0
    world.push(a=File(body=0))
    world.push(a=File(body=1))
    world.platform(CHECKED)
    came_to: dict[str, list[tuple[int | None, str]]] = {}
    """By run, the releases that it was on, and how it went there."""
    for number, step in enumerate(["well", *steps, "failed"]):
        on = world.active()[0]
        try:
            match step:
                case "well" | "failed":
                    state = "success" if step == "well" else "failed"
                    world.run(f"r{number}", state)
                    came_to[f"r{number}"] = [(on, state)]
                case "again":
                    run_id = list(came_to)[-1]
                    asked.clear(world.host, "a", [run_id], actor="ada", build=world.active()[1])
                    world.finish(run_id, number=len(came_to[run_id]) + 1)
                    came_to[run_id].append((on, "success"))
                case "push":
                    body = 1 - body
                    world.push(a=File(body=body))
                case "other":
                    world.push(b=File(body=number))
                case "passes":
                    for live in world.rollouts()[-1:]:
                        world.say("ci", "passed", version=live.place.version)
                    world.turn()
                case "promote" | "rollback" | "unpin":
                    world.do(Verb(step), reason="on purpose")
                case _:
                    world.do(Verb.PIN, build=int(step[-1]), now=True, reason="on purpose")
        except PinwheelError:
            continue
    tries = Counter((run_id, on, state) for run_id, some in came_to.items() for on, state in some)
    assert Counter((row.run_id, row.release, row.state) for row in world.rows(t.outcome)) == tries
    assert Counter((row.run_id, row.release) for row in world.rows(t.binding)).keys() == {
        (run_id, on) for run_id, on, _ in tries
    }
    last = {(run_id, on): state for run_id, some in came_to.items() for on, state in some}
    by_release: dict[int | None, Counter[str]] = {}
    for (_, on), state in last.items():
        by_release.setdefault(on, Counter())[state] += 1
    shown = line(world.host, "a", limit=100)
    assert {each.release: dict(each.runs) for each in shown.releases if each.runs} == by_release
    assert {each.run_id: each.release for each in asked.history(world.host, "a")} == {
        run_id: some[-1][0] for run_id, some in came_to.items()
    }
    (seen,) = status(world.host, dag_ids=["a"], runs=True)
    assert seen.runs == dict(by_release.get(world.active()[0], {}))
    places = [(row.release, row.build_id) for row in world.rows(t.release)]
    assert len({row.dag_version_id for row in world.rows(t.release)}) == len(places)


def test_a_run_by_hand_is_on_the_active_release_and_not_on_a_later_one_of_its_build(rolling: Rolling) -> None:
    later = rolling.push(b=File(body=7))
    rolling.do(Verb.PROMOTE)
    rolling.say("ci", "passed", version=later)
    rolling.turn()
    assert rolling.active() == (2, 1)
    rolling.do(Verb.ROLLBACK)
    assert rolling.active() == (3, 1)
    rolling.run("after")
    assert [(row.run_id, row.release) for row in rolling.rows(t.outcome)] == [("after", 3)]
