"""Acts of persons: what is refused with which words, and whatever the tables do not tell."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from attrs import evolve, fields

from harness.rollouts import APPROVE, HOUR, LATER, NOW, place, plan, rollout, verdict
from pinwheel.core.errors import Conflict, Refused
from pinwheel.core.rollout import effects, refusals, table
from pinwheel.core.rollout.acts import act
from pinwheel.core.rollout.facts import Facts
from pinwheel.core.rollout.gate import Answer, GateFacts
from pinwheel.core.rollout.hold import Hold, HoldKind
from pinwheel.core.rollout.refusals import WORDS, Deed
from pinwheel.core.rollout.state import Candidate, Cause, Contributor, Rollout
from pinwheel.core.rollout.steps import Party
from pinwheel.core.rollout.table import TABLE, Do, No, Row, Verb, Where

ACTIVE, AHEAD, NEWER = place(1), place(2), place(3)
AT = LATER + HOUR
FREEZE = Hold(kind=HoldKind.FREEZE, reason="the month's end", until=AT)


def two_live(**more: object) -> Facts:
    """A Dag with one rollout at a gate and one that is watched."""
    made = {
        "dag_id": "sales",
        "ahead": rollout(2, APPROVE, watched=True),
        "watched": rollout(1, watched=True, step=1, state="watching", released_at=NOW),
        "newest": Candidate(place=AHEAD, plan=plan(APPROVE)),
        "active": ACTIVE,
    }
    return Facts(**{**made, **more})  # type: ignore[arg-type]


def test_each_verb_has_a_cell_for_each_place_on_the_way_and_each_refusal_has_words() -> None:
    assert set(TABLE) == set(Verb)
    assert [cell.name for cell in fields(Row)] == [each.name.lower() for each in Where]
    assert all(isinstance(TABLE[verb].at(each), Do | No) for verb in Verb for each in Where)
    with pytest.raises(TypeError, match="nothing"):
        Row(*[Do.STAYS] * 5)  # type: ignore[call-arg]
    assert set(WORDS) == set(No)


@pytest.mark.parametrize(
    ("module", "line", "no"),
    [
        (table, "    Verb.RESUME: Row(", "no row for resume"),
        (refusals, "    No.PINNED: (", "no words for pinned"),
    ],
)
def test_a_verb_without_a_row_and_a_refusal_without_words_can_not_be_imported(
    module: ModuleType, line: str, no: str
) -> None:
    assert module.__file__ is not None
    lines = Path(module.__file__).read_text().splitlines()
    less = [each for each in lines if not each.startswith(line)]
    assert len(less) == len(lines) - 1
    copy = ModuleType(module.__name__)
    with pytest.raises(ValueError, match=no):
        exec(compile("\n".join(less), "less", "exec"), copy.__dict__)


def test_a_cell_is_asked_for_where_the_rollout_is() -> None:
    """The columns are told apart: each has its own value here."""
    row = Row(Do.COUNT, Do.REJECT, Do.PAUSE, Do.RESUME, Do.RETRY, Do.SKIP)
    assert [row.at(each) for each in Where] == [
        Do.COUNT,
        Do.REJECT,
        Do.PAUSE,
        Do.RESUME,
        Do.RETRY,
        Do.SKIP,
    ]


def test_an_approval_of_somebody_who_may_not_is_refused_with_the_reason() -> None:
    mine = evolve(
        rollout(2, APPROVE),
        authors=(Contributor(party=Party.AUTHOR, name="ada@x.org", user="ada"),),
    )
    with pytest.raises(Refused, match="ada wrote a part of it") as no:
        act(Deed(verb=Verb.APPROVE, by="ada"), two_live(ahead=mine), LATER)
    assert no.value.facts["problem"] == "may-not-approve"
    assert act(Deed(verb=Verb.APPROVE, by="bob"), two_live(ahead=mine), LATER).effects


def test_whoever_approved_already_changes_nothing_by_approving_again() -> None:
    given = verdict(Answer.PASSED, actor="ada", rollout=2, step=0, attempt=1, at=NOW)
    facts = two_live(gates=GateFacts(verdicts=(given,)))
    assert act(Deed(verb=Verb.APPROVE, by="ada"), facts, LATER).effects == ()
    assert act(Deed(verb=Verb.APPROVE, by="bob"), facts, LATER).effects


@pytest.mark.parametrize("verb", [each for each in Verb if TABLE[each].gate in Do])
def test_an_act_on_a_rollout_that_has_moved_is_refused_with_what_happened(verb: Verb) -> None:
    facts = two_live()
    deed = Deed(verb=verb, by="ada", place=AHEAD, at=AT, expected_generation=2)
    with pytest.raises(Conflict, match="it is waiting, at generation 1 instead of 2") as no:
        act(deed, facts, LATER)
    assert no.value.facts["problem"] == "stale-generation"
    act(evolve(deed, expected_generation=1), facts, LATER)


def test_an_act_on_a_rollout_that_has_ended_is_refused_so() -> None:
    nothing = two_live(ahead=None, watched=None)
    for verb in (Verb.PROMOTE_NOW, Verb.PIN, Verb.RESTART):
        with pytest.raises(Conflict, match="it has ended"):
            act(Deed(verb=verb, by="ada", expected_generation=1), nothing, LATER)
    watched = evolve(two_live(), ahead=None)
    with pytest.raises(Conflict, match="at generation 1 instead of 3"):
        act(Deed(verb=Verb.ROLLBACK, by="ada", watched=True, expected_generation=3), two_live(), LATER)
    assert act(Deed(verb=Verb.ROLLBACK, by="ada", expected_generation=1), watched, LATER).effects


def test_a_pin_to_another_build_asks_the_rules_before_anything_is_withdrawn() -> None:
    shut = two_live(closed=(FREEZE,))
    with pytest.raises(Conflict, match="the month's end; it opens at 2026-01-05 11:00 UTC") as no:
        act(Deed(verb=Verb.PIN, by="ada", takes=True), shut, LATER)
    assert no.value.facts["problem"] == "rule-closed"
    assert len(act(Deed(verb=Verb.PIN, by="ada"), shut, LATER).effects) == 3


def test_a_refusal_by_rules_names_them_all_and_an_opening_only_if_each_has_one() -> None:
    later = evolve(FREEZE, kind=HoldKind.WINDOW, reason="office hours", until=AT + HOUR)
    gate = evolve(FREEZE, kind=HoldKind.GATE, reason="nobody approved", until=None)
    deed = Deed(verb=Verb.PIN, by="ada", takes=True)
    with pytest.raises(Conflict, match="the month's end; office hours; it opens at 2026-01-05 12:00 UTC"):
        act(deed, two_live(closed=(FREEZE, later)), LATER)
    with pytest.raises(Conflict) as no:
        act(deed, two_live(closed=(FREEZE, gate)), LATER)
    assert no.value.found == "the month's end; nobody approved"


def test_what_a_retired_dag_is_asked_is_refused_or_answered_as_ever() -> None:
    gone = two_live(ahead=None, watched=None, gone="the Dag is retired", newest=Candidate(place=NEWER))
    for verb in (Verb.RESTART, Verb.PROMOTE_AT, Verb.PROMOTE_NOW):
        with pytest.raises(Conflict, match="the Dag is retired"):
            act(Deed(verb=verb, by="ada"), gone, LATER)
    for verb, facts in ((Verb.PROMOTE, gone), (Verb.UNPIN, evolve(gone, pinned=True))):
        assert act(Deed(verb=verb, by="ada"), facts, LATER).effects == (effects.AsToday(),)
    lift = Deed(verb=Verb.LIFT, by="ada", place=NEWER)
    lifted = act(lift, evolve(gone, rejected=frozenset({NEWER})), LATER)
    assert lifted.effects == (effects.LiftPlace(place=NEWER, by="ada", reason=None),)


def test_the_first_build_of_a_dag_is_promoted_as_ever() -> None:
    first = two_live(ahead=None, watched=None, active=None, closed=(FREEZE,))
    soaked = evolve(first, newest=Candidate(place=NEWER, plan=plan(APPROVE, watched=True)))
    assert act(Deed(verb=Verb.PROMOTE, by="ada"), soaked, LATER).effects == (effects.AsToday(),)


def test_an_era_that_nobody_names_pauses_all_the_same() -> None:
    (paused_one,) = act(Deed(verb=Verb.ERA, by="ada", reason="2019 again"), two_live(), LATER).effects
    assert isinstance(paused_one, effects.Save)
    assert (paused_one.rollout.cause, paused_one.rollout.why) == (
        Cause.ERA,
        "era over the present by ada: 2019 again",
    )


def saved(deed: Deed, facts: Facts) -> Rollout:
    (found,) = [each.rollout for each in act(deed, facts, LATER).effects if isinstance(each, effects.Save)]
    return found


@pytest.mark.parametrize("verb", [Verb.PROMOTE, Verb.PROMOTE_AT, Verb.SKIP, Verb.PROMOTE_NOW])
def test_whoever_asks_skips_or_overrides_is_a_promoter_beside_those_before(verb: Verb) -> None:
    facts = two_live(watched=None, ahead=rollout(2, APPROVE, APPROVE, promoters=frozenset({"bob"})))
    moved = saved(Deed(verb=verb, by="ada", reason="so", at=AT), facts)
    assert moved.promoters == {"ada", "bob"}
    held = evolve(facts, ahead=None)
    begun = [each for each in act(Deed(verb=Verb.PROMOTE, by="ada"), held, LATER).effects]
    assert [each.rollout.promoters for each in begun if isinstance(each, effects.Begin)] == [{"ada"}]


def test_a_rejection_has_the_reason_that_was_said_or_says_who_rejected() -> None:
    for reason, told in (("wrong totals", "wrong totals"), (None, "reject by ada")):
        done = act(Deed(verb=Verb.REJECT, by="ada", reason=reason), two_live(), LATER).effects
        assert [each.reason for each in done if isinstance(each, effects.RejectPlace)] == [told]
    assert saved(Deed(verb=Verb.REJECT, by="ada"), two_live()).why == "reject by ada"


def test_each_retry_is_one_attempt_more_and_sets_aside_what_came_before() -> None:
    stopped = rollout(2, APPROVE, state="paused", cause=Cause.TIMEOUT, attempt=2)
    moved = saved(Deed(verb=Verb.RETRY, by="ada"), two_live(ahead=stopped))
    assert (moved.attempt, moved.set_aside, moved.since) == (3, LATER, LATER)


def test_what_a_person_takes_over_is_set_aside_and_what_comes_later_is_not() -> None:
    stopped = rollout(2, APPROVE, state="paused", cause=Cause.ERROR, paused_at=NOW)
    moved = saved(Deed(verb=Verb.PAUSE, by="ada"), two_live(ahead=stopped))
    assert (moved.cause, moved.paused_by, moved.set_aside) == (Cause.PERSON, "ada", LATER)


@pytest.mark.parametrize(
    ("verb", "failed"),
    [
        (Verb.RESUME, "Cannot resume sales"),
        (Verb.PROMOTE_AT, "Cannot promote sales"),
        (Verb.PROMOTE_NOW, "Cannot promote sales"),
    ],
)
def test_a_refusal_is_a_sentence(verb: Verb, failed: str) -> None:
    nothing = two_live(ahead=None, watched=None, newest=None)
    with pytest.raises(Conflict) as no:
        act(Deed(verb=verb, by="ada", at=AT), nothing, LATER)
    assert no.value.failed == failed


def test_a_newest_build_waits_unless_it_is_active_or_not_there() -> None:
    assert two_live().waits
    assert two_live(active=None).waits
    assert not two_live(newest=None).waits
    assert not two_live(newest=Candidate(place=place(1, "c9"))).waits
