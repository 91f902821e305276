"""What a rejection covers."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest
from attrs import evolve

from harness.builds import build
from pinwheel.core.release.decide import Command, Lift, Reject, Verb, decide
from pinwheel.core.release.rejection import Rejection, rejection_of
from pinwheel.core.release.stand import Head
from pinwheel.core.release.state import DagState

WHEN = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
of_build_2 = partial(
    Rejection, id=1, dag_id="sales", build_id=102, actor="bob", reason="wrong totals", at=WHEN
)


@pytest.mark.parametrize("seq", [None, 1, 99])
def test_a_rejected_build_is_rejected_wherever_it_stands(seq: int | None) -> None:
    rejection = of_build_2()
    assert rejection.covers(build(2), seq)
    assert not rejection.covers(build(1), seq)
    assert not evolve(rejection, lifted_at=WHEN).covers(build(2), seq)


@pytest.mark.parametrize(("seq", "rejected"), [(None, False), (3, False), (4, True), (6, True), (7, False)])
def test_where_versions_are_rejected_the_build_is_free_in_all_others(seq: int | None, rejected: bool) -> None:
    rejection = of_build_2(first_seq=4, last_seq=6)
    assert rejection.covers(build(2), seq) is rejected
    assert not rejection.covers(build(1), seq)


@pytest.mark.parametrize(
    ("changes", "seq", "holds"),
    [
        pytest.param({}, None, True, id="of all versions, wherever it stands"),
        pytest.param({}, 9, True, id="of all versions"),
        pytest.param(
            {"first_seq": 4, "last_seq": 6}, None, False, id="of some, and nobody knows where it is"
        ),
        pytest.param({"first_seq": 4, "last_seq": 6}, 3, False, id="before these"),
        pytest.param({"first_seq": 4, "last_seq": 6}, 4, True, id="the first of these"),
        pytest.param({"first_seq": 4, "last_seq": 6}, 6, True, id="the last of these"),
        pytest.param({"first_seq": 4, "last_seq": 6}, 7, False, id="after these"),
        pytest.param({"first_seq": 4}, 4, True, id="of one version, that one"),
        pytest.param({"first_seq": 4}, 5, False, id="of one version, the next"),
        pytest.param({"lifted_at": WHEN}, None, False, id="lifted"),
        pytest.param({"lifted_at": WHEN, "first_seq": 4}, 4, False, id="of one version, and lifted"),
    ],
)
def test_a_rejection_holds_where_its_build_stands_in_one_of_its_versions(
    changes: dict[str, object], seq: int | None, holds: bool
) -> None:
    head = Head(seq=seq, version="v") if seq else None
    assert of_build_2(**changes).holds_at(head) is holds


@pytest.mark.parametrize(
    ("changes", "number", "is_so"),
    [
        ({"first_seq": 4}, 2, True),
        ({"first_seq": 4}, 1, False),
        ({"first_seq": 4, "lifted_at": WHEN}, 2, False),
        ({}, 2, False),
    ],
)
def test_a_rejection_is_of_versions_of_its_own_build_until_it_is_lifted(
    changes: dict[str, object], number: int, is_so: bool
) -> None:
    assert of_build_2(**changes).is_of_versions_of(build(number)) is is_so


@pytest.mark.parametrize(
    ("changes", "others"),
    [
        ({"pure": True}, False),
        ({"pure": True, "unstable": ("start_date",)}, True),
        ({"pure": False}, True),
        ({"pure": False, "adopted": True, "inputs_digest": ""}, False),
    ],
)
def test_of_a_dag_that_may_differ_at_each_parse_all_builds_of_the_same_inputs_are_rejected(
    changes: dict[str, object], others: bool
) -> None:
    bad = build(2, **changes)
    rejection = of_build_2(inputs_digest=Reject(build=bad).inputs_digest)
    assert rejection.covers(bad)
    assert rejection.covers(build(3, inputs_digest=bad.inputs_digest)) is others
    assert not rejection.covers(build(4))


def test_where_another_parse_of_the_same_inputs_is_gone_back_to_the_inputs_are_not_at_fault() -> None:
    bad = build(2, pure=False)
    good = build(1, inputs_digest=bad.inputs_digest)
    assert Reject(build=bad, instead=good).inputs_digest is None
    assert Reject(build=bad, instead=build(1)).inputs_digest == bad.inputs_digest


def test_what_frees_a_build_takes_back_all_rejections_that_hold_for_it() -> None:
    own = of_build_2()
    of_inputs = of_build_2(id=2, build_id=103, inputs_digest=build(2).inputs_digest)
    other = of_build_2(id=3, build_id=104)
    state = DagState(dag_id="sales", rejections=(own, of_inputs, other))
    (lifted,) = decide(state, Command(verb=Verb.LIFT, build=build(2))).steps
    assert lifted == Lift(rejections=(own, of_inputs))


def test_the_newest_rejection_that_holds_is_the_one_that_is_told() -> None:
    older, newer = of_build_2(), of_build_2(id=2, reason="again")
    lifted = of_build_2(id=3, lifted_at=WHEN)
    assert rejection_of([newer, lifted, older], build(2)) is newer
    assert rejection_of([newer], build(1)) is None
    assert rejection_of([newer], None) is None


def test_a_rejection_says_who_when_and_why() -> None:
    assert of_build_2().said() == "bob rejected it at 2026-01-02 03:04 UTC: wrong totals"
    assert of_build_2(reason=None).said().endswith("without a reason")
