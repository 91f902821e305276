"""What the watch says of any runs: the rules in a few lines of their own, and what must not matter."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from harness.rollouts import HOUR
from harness.watched import at, before, ran, seen, watching
from pinwheel.core.rollout.comparison import fisher
from pinwheel.core.rollout.facts import Fired, Unclear, WatchSays
from pinwheel.core.rollout.frozen import before_from_json, before_to_json
from pinwheel.core.rollout.state import Rollout
from pinwheel.core.rollout.steps import Watch
from pinwheel.core.rollout.verdict import fires_by_runs, frozen_before, proves, says
from pinwheel.core.rollout.watched import Before, End, Evidence, Run
from pinwheel.core.rollout.way_back import Failures, When

LATER = at(0) + 24 * HOUR
ENDS = st.text(".F?ihc", max_size=20)
COUNTED = st.text(".F", max_size=20)
EARLIER = st.text(".F", max_size=50)
RULES = st.one_of(
    st.sampled_from(When),
    st.sampled_from(
        [Failures(failures=least, of=of) for of in range(1, 9) for least in range(1, min(of, 4) + 1)]
    ),
)


@st.composite
def watches(draw: st.DrawFn) -> tuple[Rollout, Before]:
    when = draw(RULES)
    each = watching(when, Watch(runs=draw(st.integers(0, 6))), slower=True, deadline=True)
    long = tuple(draw(st.lists(st.floats(1, 9), min_size=18, max_size=22)))
    return each, before(draw(EARLIER), seconds=long, missed_deadlines=draw(st.sampled_from((0, 0, 1))))


@st.composite
def runs_of(draw: st.DrawFn) -> tuple[Run, ...]:
    slow, missed = st.sampled_from((None, 1.0, 20.0, 20.0)), st.sampled_from((False,) * 9 + (True,))
    return tuple(evolve(run, seconds=draw(slow), missed_deadline=draw(missed)) for run in ran(draw(ENDS)))


def asked(watch: tuple[Rollout, Before], runs: tuple[Run, ...]) -> WatchSays:
    return says(watch[0], seen(runs), watch[1], LATER)


@given(watch=watches(), runs=runs_of())
def test_whoever_looks_late_finds_what_fired_first(
    watch: tuple[Rollout, Before], runs: tuple[Run, ...]
) -> None:
    looks = [asked(watch, runs[:n]) for n in range(len(runs) + 1)]
    fired = [found for found in looks if isinstance(found, Fired)]
    assert looks[len(looks) - len(fired) :] == fired
    if fired:
        assert fired == fired[:1] * len(fired)
        assert fired[0].at == at(len(looks) - len(fired))


@given(watch=watches(), runs=runs_of())
def test_what_does_not_count_changes_nothing(watch: tuple[Rollout, Before], runs: tuple[Run, ...]) -> None:
    counted = tuple(run for run in runs if run.counts)
    with_unknown = tuple(run for run in runs if run.counts or run.end is End.UNKNOWN)
    assert asked(watch, runs) == asked(watch, with_unknown)
    without = asked(watch, counted)
    if isinstance(without, Fired) or counted == with_unknown:
        assert asked(watch, runs) == without
    else:
        assert isinstance(asked(watch, runs), Unclear)


def fires(when: When | Failures, new: str, old: str) -> bool:
    """The rules as the design says them."""
    looks = [new[: n + 1] for n in range(len(new))]
    match when:
        case When.NEVER:
            return False
        case When.FIRST_FAILURE:
            return "F" in new
        case When.WORSE if len(old) < 10:
            return any(look[-5:].count("F") >= 2 for look in looks)
        case When.WORSE:
            most = max(old[n : n + 5].count("F") for n in range(len(old) - 4))
            return any(look[-5:].count("F") > most for look in looks)
        case Failures(failures=least, of=of):
            return any(look[-of:].count("F") >= least for look in looks)


@given(when=RULES, new=COUNTED, old=EARLIER)
def test_each_rule_fires_as_the_design_says(when: When | Failures, new: str, old: str) -> None:
    found = fires_by_runs(watching(when), seen(new), before(old))
    assert (found is not None) is fires(when, new, old)
    if found is not None:
        assert new[int((found.at - at(0)).total_seconds() / 60) - 1] == "F", "at a failure"


@given(watch=watches(), runs=runs_of(), seen_until=st.integers(0, 20))
def test_what_was_set_aside_is_as_if_it_had_not_been_but_for_runs_that_were_well(
    watch: tuple[Rollout, Before], runs: tuple[Run, ...], seen_until: int
) -> None:
    each, compared = watch
    aside = evolve(each, set_aside=at(seen_until))
    kept = tuple(
        evolve(run, seconds=None, missed_deadline=False) if n < seen_until else run
        for n, run in enumerate(runs)
        if n >= seen_until or not (run.failed or run.end is End.UNKNOWN)
    )
    assert says(aside, seen(runs), compared, LATER) == says(each, seen(kept), compared, LATER)


@given(runs=st.text(".F?ihc", max_size=70), build=st.none() | st.integers(1))
def test_a_place_that_is_proven_would_not_have_been_rolled_back_for_its_last_runs(
    runs: str, build: int | None
) -> None:
    """Proven and worse are said by the same numbers; and most of the last five were well."""
    known = [run for run in ran(runs) if run.counts or run.end is End.UNKNOWN]
    compared = frozen_before(known[:-5], build)
    last = [evolve(run, end=End.FAILED if run.end is End.UNKNOWN else run.end) for run in known[-5:]]
    counted = sum(run.counts for run in known) >= 5
    fired = fires_by_runs(watching(), Evidence(runs=tuple(last)), compared)
    mostly_well = sum(run.failed for run in last) <= 2
    assert proves(ran(runs)) is (counted and fired is None and mostly_well)
    assert before_from_json(before_to_json(compared)) == compared


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 30), st.integers(0, 30))
def test_the_more_of_the_failures_are_theirs_the_less_likely_it_is_by_chance(
    failed: int, well: int, others_failed: int, others_well: int
) -> None:
    of, others_of, both = failed + well, others_failed + others_well, failed + others_failed
    shares = range(max(0, both - others_of), min(of, both) + 1)
    chances = [fisher(share, of, both - share, others_of) for share in shares]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] == 1.0
    assert chances[-1] > 0
