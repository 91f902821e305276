"""Releases of Dags that fail now and then, judged by the product's own rules: how often those are wrong.

``python -m harness.flaky`` prints the table of ``docs/rollouts.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from random import Random

from attrs import frozen

from harness.watched import at, ran, seen, took, watching
from pinwheel.core.rollout.facts import Fired
from pinwheel.core.rollout.verdict import LAST, says
from pinwheel.core.rollout.watched import MOST_BEFORE, Before, Control
from pinwheel.core.rollout.way_back import Failures, When

RULES: dict[str, When | Failures] = {
    "worse": When.WORSE,
    "first-failure": When.FIRST_FAILURE,
    "{failures: 2, of: 2}": Failures(failures=2, of=2),
    "{failures: 3, of: 5}": Failures(failures=3, of=5),
}
WATCHED = 5
RELEASES = 3_000
"""Of each rate."""
RATES = (0.0, 0.01, 0.05, 0.2)
FLEET = ((0.70, 0.0), (0.15, 0.01), (0.10, 0.05), (0.05, 0.2))
"""Which share of the Dags fails how often."""
Runs = tuple[bool, ...]


@frozen
class Share:
    """Of so many releases, so many were rolled back, and so many of their runs had failed by then."""

    releases: int
    rolled_back: int
    failed_runs: int

    @property
    def rate(self) -> float:
        return self.rolled_back / self.releases

    @property
    def failed_runs_each(self) -> float:
        return self.failed_runs / self.rolled_back


@cache
def failed_until_fired(rule: str, old: Runs, new: Runs) -> int | None:
    """How many runs of a release failed until its watch fired; None: it did not."""
    runs = ran("".join(".F"[failed] for failed in new))
    said = says(watching(RULES[rule]), seen(runs), Before(build=7, failed=old), at(len(new)))
    if not isinstance(said, Fired):
        return None
    return sum(run.failed for run in runs if run.ended_at <= said.at)


def share(rule: str, releases: Iterable[tuple[Runs, Runs]]) -> Share:
    found = [failed_until_fired(rule, old, new) for old, new in releases]
    fired = [failed for failed in found if failed is not None]
    return Share(releases=len(found), rolled_back=len(fired), failed_runs=sum(fired))


@cache
def corpus(old: float, new: float) -> tuple[tuple[Runs, Runs], ...]:
    """Releases of Dags of which runs failed with probability *old* before, *new* since: always the same."""
    chance = Random(f"{old} {new}")
    return tuple((_runs(chance, old, MOST_BEFORE), _runs(chance, new, WATCHED)) for _ in range(RELEASES))


def fleet(releases: int, new: float | None = None) -> Iterator[tuple[Runs, Runs]]:
    """Releases of a mixed fleet, harmless unless a new rate is told: always the same."""
    chance = Random(f"fleet {new}")
    shares, rates = zip(*FLEET, strict=True)
    for rate in chance.choices(rates, shares, k=releases):
        yield _runs(chance, rate, MOST_BEFORE), _runs(chance, rate if new is None else new, WATCHED)


def _runs(chance: Random, rate: float, count: int) -> Runs:
    return tuple(chance.random() < rate for _ in range(count))


def slower(spread: float, times: float, releases: int = 1_000) -> float:
    """How many releases of which runs take so many times as long are rolled back, where run times vary."""
    chance = Random(f"slower {spread} {times}")
    each, fired = watching(When.NEVER, slower=True), 0
    for _ in range(releases):
        old = tuple(chance.lognormvariate(0, spread) for _ in range(LAST))
        new = took(*(times * chance.lognormvariate(0, spread) for _ in range(WATCHED)))
        compared = Before(build=7, failed=(False,) * LAST, seconds=old)
        fired += isinstance(says(each, seen(new), compared, at(WATCHED)), Fired)
    return fired / releases


@frozen
class Outage:
    """An hour in which runs of all Dags fail, in which a hundred were released and a hundred were not."""

    released: tuple[Runs, ...]
    others: tuple[Runs, ...]

    @property
    def control(self) -> Control:
        return Control(
            failed=sum(map(sum, self.others)),
            of=sum(map(len, self.others)),
            released_failed=sum(map(sum, self.released)),
            released_of=sum(map(len, self.released)),
        )

    def rolled_back(self, rule: str, *, with_control: bool) -> int:
        """How many of the Dags, which never failed before."""
        never = Before(build=7, failed=(False,) * MOST_BEFORE)
        count = 0
        for new in self.released:
            runs = ran("".join(".F"[failed] for failed in new))
            evidence = seen(runs, control=self.control if with_control else None)
            said = says(watching(RULES[rule]), evidence, never, at(len(new)))
            count += isinstance(said, Fired) and not said.not_alone
        return count


def outages(count: int, *, released: float = 0.6, others: float = 0.6, dags: int = 100) -> Iterator[Outage]:
    """Each Dag has two runs in it, which fail with these probabilities: always the same."""
    chance = Random("outage")
    for _ in range(count):
        yield Outage(
            released=tuple(_runs(chance, released, 2) for _ in range(dags)),
            others=tuple(_runs(chance, others, 2) for _ in range(100)),
        )


# The table of the docs


def table(of_the_fleet: int = 20_000) -> str:
    """Of a thousand releases, so many that each rule is wrong about."""
    percent = [f"{rate:.0%}".replace("%", " %") for rate in RATES]
    heads = ["rule", "mixed fleet", *percent]
    heads += [f"missed: {old} → {new} %" for new in (50, 100) for old in (0, 5, 20)]
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1)]
    for rule in RULES:
        false = [share(rule, fleet(of_the_fleet)), *(share(rule, corpus(rate, rate)) for rate in RATES)]
        bad = [share(rule, corpus(old, new)) for new in (0.5, 1.0) for old in (0.0, 0.05, 0.2)]
        cells = [*(_thousandths(each.rate) for each in false)]
        cells += [_thousandths(1 - each.rate) for each in bad]
        lines.append([f"`{rule}`", *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _thousandths(rate: float) -> str:
    return f"{1000 * rate:.0f}"


if __name__ == "__main__":
    print(table())
