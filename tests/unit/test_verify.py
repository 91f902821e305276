"""When a verification may begin, of which file, and what its result means. Pure rules, and hours of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve, frozen

from pinwheel.core.parse.facts import WHOLE_TREE
from pinwheel.core.parse.inputs import Inputs, InputsSpec, matches, tree_id
from pinwheel.core.parse.verify import (
    MOST_SAVED,
    Bucket,
    Gave,
    Outlook,
    Unverified,
    Verdict,
    changed_paths,
    folders_of,
    in_turn,
    judge,
    without_order,
)
from pinwheel.core.release.stand import Span, disproved

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = 3600.0


@frozen
class Begun:
    at: float
    path: str
    cpu: float


@frozen
class Hours:
    """What happened in some hours of verification by one processor."""

    begun: list[Begun]
    oldest: float
    """Seconds since the longest unverified file was verified, at the end."""
    left: int
    """Files that are not verified in the newest tree."""

    def spent(self, since: float, until: float) -> float:
        return sum(one.cpu for one in self.begun if since <= one.at < until)


def simulate(
    files: int, *, hours: float, commit_every: float | None, share: float, seed: int = 1, idle: float = 0.0
) -> Hours:
    """Verification as the processor does it, with a clock of its own: one at a time, charged at its end."""
    rng = random.Random(seed)
    cpu = {f"d{number % 20}/f{number}.py": rng.lognormvariate(-2.2, 0.5) for number in range(files)}
    proved = dict.fromkeys(cpu, (0, 0.0))
    bucket, now, tree, begun = Bucket(share=share), 0.0, 0, []
    commits = iter_commits(hours, commit_every, idle)
    next_commit = next(commits)
    waiting: list[Unverified] = []
    sorted_at = 0.0
    while now < hours * HOUR:
        if now >= next_commit:
            tree, next_commit = tree + 1, next(commits)
            changed = folders_of([f"d{rng.randrange(20)}/conf.yaml"])
            waiting = [
                Unverified(
                    bundle_name="b",
                    path=path,
                    verified_at=NOW + timedelta(seconds=at),
                    near=path.rpartition("/")[0] in changed,
                )
                for path, (_, at) in proved.items()
            ]
            sorted_at = float("-inf")
        if now - sorted_at >= 60:
            waiting, sorted_at = in_turn(waiting, NOW + timedelta(seconds=now))[::-1], now
        if not waiting or not bucket.may_start(now):
            now += 0.5
            continue
        path = waiting.pop().path
        begun.append(Begun(now, path, cpu[path]))
        now += cpu[path]
        bucket = bucket.charged(now, cpu[path])
        proved[path] = (tree, now)
    return Hours(begun, now - min(at for _, at in proved.values()), len(waiting))


def iter_commits(hours: float, every: float | None, idle: float) -> Iterator[float]:
    at = idle
    while every is not None and at < hours * HOUR:
        yield at
        at += every
    if every is None:
        yield at
    yield float("inf")


@pytest.mark.acceptance("pushes", 28)
@pytest.mark.parametrize("commit_every", [None, 600.0, 10.0])
def test_the_cpu_of_an_hour_is_at_most_the_budget_and_one_parse(commit_every: float | None) -> None:
    done = simulate(2000, hours=1, commit_every=commit_every, share=0.05)
    most = 0.05 * HOUR + max(one.cpu for one in done.begun)
    assert 0.95 * 0.05 * HOUR < done.spent(0, HOUR) <= most


@pytest.mark.acceptance("pushes", 28)
def test_what_was_saved_up_while_there_was_nothing_to_do_is_limited() -> None:
    done = simulate(4000, hours=3, commit_every=None, share=0.05, idle=HOUR)
    largest = max(one.cpu for one in done.begun)
    for begin in range(0, 2 * 3600, 300):
        assert done.spent(begin, begin + HOUR) <= 0.05 * HOUR + MOST_SAVED + largest


@pytest.mark.acceptance("pushes", 28)
@pytest.mark.parametrize("commit_every", [None, 600.0])
def test_a_thousand_files_are_verified_within_the_hour(commit_every: float | None) -> None:
    done = simulate(1000, hours=1, commit_every=commit_every, share=0.05)
    assert len({one.path for one in done.begun}) == 1000
    if commit_every is None:
        assert done.left == 0


def test_with_commits_without_end_no_file_is_left_out_for_long() -> None:
    """Those near a change come first, but never before one that waits for more than an hour."""
    done = simulate(1000, hours=6, commit_every=600, share=0.05)
    assert done.oldest < 2 * HOUR
    for begin in range(0, 4 * 3600, 600):
        seen = {one.path for one in done.begun if begin <= one.at < begin + 2 * HOUR}
        assert len(seen) == 1000


def test_a_budget_of_0_begins_nothing() -> None:
    assert not Bucket(share=0.0).may_start(1e9)
    assert Outlook.of(10, mean=0.1, share=0.0, level=0.0).seconds is None


def test_a_bucket_is_empty_at_first_and_one_may_begin_until_it_is_in_debt() -> None:
    bucket = Bucket(share=0.05, at=100.0)
    assert bucket.may_start(100.0)
    bucket = bucket.charged(100.0, 1.0)
    assert not bucket.may_start(119.0) and bucket.may_start(120.1)
    assert Bucket(share=0.05).filled(1e9).level == MOST_SAVED


@pytest.mark.acceptance("pushes", 32)
def test_a_process_that_begins_takes_over_what_is_owed_and_not_what_was_saved() -> None:
    assert Bucket(share=0.05).taken_over(30.0, 10.0) == Bucket(share=0.05, level=0.0, at=10.0)
    assert Bucket(share=0.05).taken_over(-2.0, 10.0).level == -2.0


def unverified(path: str, minutes: float, changed: tuple[str, ...] = ()) -> Unverified:
    near = path.rpartition("/")[0] in folders_of(changed)
    return Unverified(bundle_name="b", path=path, verified_at=NOW - timedelta(minutes=minutes), near=near)


def test_near_a_changed_path_comes_first_then_the_longest_unverified() -> None:
    changed = ("team/conf/x.yaml",)
    files = [
        unverified("a.py", 3, changed),
        unverified("far/b.py", 30, changed),
        unverified("team/c.py", 1, changed),
        unverified("team/d.py", 2, changed),
        unverified("team/conf/more/e.py", 20, changed),
    ]
    order = [file.path for file in in_turn(files, NOW)]
    assert order == ["a.py", "team/d.py", "team/c.py", "far/b.py", "team/conf/more/e.py"]
    overdue = [unverified("far/f.py", 61, changed), unverified("team/g.py", 60, changed)]
    assert in_turn([*files, *overdue[::-1]], NOW)[:2] == overdue


A, B, C = (Gave(builds={"a": digest}) for digest in "xyz")
BROKEN = Gave(builds={}, broken=True)


@pytest.mark.parametrize(
    ("found", "first", "verdict"),
    [
        (A, None, Verdict.SAME),
        (B, None, Verdict.AGAIN),
        (BROKEN, None, Verdict.AGAIN),
        (B, B, Verdict.MISSED),
        (BROKEN, BROKEN, Verdict.MISSED),
        (C, B, Verdict.UNSTABLE),
        (A, B, Verdict.UNSTABLE),
        (A, BROKEN, Verdict.SAME),
        (A, A, Verdict.SAME),
        (B, A, Verdict.AGAIN),
        (B, BROKEN, Verdict.UNSTABLE),
        (BROKEN, B, Verdict.UNSTABLE),
        (Gave(builds={}), Gave(builds={}), Verdict.MISSED),
        (Gave(builds={"a": "x", "b": "1"}), Gave(builds={"a": "x", "b": "1"}), Verdict.MISSED),
    ],
)
def test_a_difference_is_what_two_parses_of_one_tree_agree_on(
    found: Gave, first: Gave | None, verdict: Verdict
) -> None:
    assert judge(A, found, first) is verdict


def test_a_difference_in_the_order_of_a_list_only_is_unstable() -> None:
    def gave(digest: str, queues: list[str]) -> Gave:
        form = {"dag": {"default_args": {"queues": queues}}}
        return Gave(builds={"a": digest}, order={"a": without_order(form)})

    known, turned, other = gave("x", ["p", "q"]), gave("y", ["q", "p"]), gave("z", ["q", "r"])
    assert judge(known, turned, turned) is Verdict.UNSTABLE
    assert judge(known, other, other) is Verdict.MISSED
    more = Gave(builds={**turned.builds, "b": "1"}, order=turned.order)
    assert judge(known, more, more) is Verdict.MISSED


def test_a_span_that_is_disproved_ends_where_it_was_last_verified() -> None:
    span = Span(build_id=1, first_seq=3, verified_seq=5)
    assert disproved(span, "v5") == evolve(span, last_seq=5, last_version="v5")
    assert disproved(evolve(span, verified_seq=2), "v2") is None, "it was never known to stand there"
    assert disproved(span, None) is None


def test_inputs_with_a_tree_match_this_tree_only() -> None:
    manifest = {"a.py": "1", "b.txt": "2"}
    plain = InputsSpec(files=("a.py",)).read(manifest)
    bound = evolve(plain, asked={WHOLE_TREE: tree_id(manifest)})
    other = {**manifest, "c.txt": "3"}
    assert matches(plain, other) and matches(bound, dict(manifest)) and not matches(bound, other)
    assert bound.digest() != plain.digest() and bound.content_digest() == plain.content_digest()
    assert Inputs.from_json(bound.to_json()) == bound and bound.of_its_tree
    assert changed_paths(manifest, {**other, "b.txt": "9"}) == ["b.txt", "c.txt"]
