"""What may go of what Pinwheel stores, and what must stay. Pure: the facts come from the store."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from attrs import asdict, field, frozen

from pinwheel.core.errors import InvalidInput

RUNS_DAYS = 30
"""Days after which the bindings and outcomes of a run may go that Airflow no longer has."""


@frozen(kw_only=True)
class Keep:
    """How much is kept, by the options of the section ``[pinwheel]``."""

    builds: int = 50
    """Builds of each Dag that were never released or tried, counted from its newest build of all."""
    releases: int = 50
    """Releases of each Dag whose files can be fetched, counted from its newest one."""
    releases_days: int = 90
    """And those of so many days, where that is more."""
    events_days: int = 400

    def __attrs_post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 1:
                raise InvalidInput(
                    f"Cannot keep {value} by the option [pinwheel] keep_{name}",
                    found="it has to be at least 1",
                    remedy="Correct it; nothing is removed until then",
                )

    def events_before(self, now: datetime) -> datetime:
        """Older events may go."""
        return now - timedelta(days=self.events_days)


@frozen
class BuildFact:
    """One build of a Dag, by its number."""

    id: int
    number: int


@frozen(kw_only=True)
class ParseFact:
    """One parse: of which file and inputs, and the builds that it gave."""

    id: int
    state: Hashable
    """File, content and inputs: parses of the same state follow each other."""
    builds: frozenset[int] = field(converter=frozenset)


def removable_builds(builds: Iterable[BuildFact], named: Collection[int], keep: int) -> set[int]:
    """Those builds of one Dag that nothing names, and that have *keep* newer ones.

    The one with the highest number always stays, so that no number is given twice.
    """
    newest_first = sorted(builds, key=lambda build: -build.number)
    return {build.id for build in newest_first[max(keep, 1) :] if build.id not in named}


def removable_parses(
    parses: Sequence[ParseFact], *, standing: Collection[int], builds: Collection[int]
) -> set[int]:
    """Those parses, of all of some files, that no file stands on and that could not be needed again.

    Needed is what a commit that brings the same inputs back can be given without a parse: the last parse
    of each state, and the last that gave a build. A parse of which a build is gone can not be given, and
    one that gave none is not worth it. *standing* are the parses that files stand on, *builds* those that
    are kept.
    """
    last_of_state: dict[Hashable, int] = {}
    last_with_build: dict[int, int] = {}
    for parse in sorted(parses, key=lambda parse: parse.id):
        last_of_state[parse.state] = parse.id
        for build in parse.builds:
            last_with_build[build] = parse.id
    needed = {*last_of_state.values(), *last_with_build.values()}
    return {
        parse.id
        for parse in parses
        if parse.id not in standing
        and (not parse.builds or not parse.builds <= set(builds) or parse.id not in needed)
    }


@frozen(kw_only=True)
class ReleaseFact:
    """One release of a Dag: its number, its build, and the row of Airflow's that runs on it refer to."""

    number: int
    build_id: int
    dag_version_id: UUID
    at: datetime


def older_releases(ledger: Iterable[ReleaseFact], keep: Keep, now: datetime) -> list[ReleaseFact]:
    """Those of one Dag that are not kept for their number or their age."""
    newest_first = sorted(ledger, key=lambda release: -release.number)
    since = now - timedelta(days=keep.releases_days)
    return [release for release in newest_first[keep.releases :] if release.at < since]


def fetchable_releases(
    ledger: Collection[ReleaseFact],
    keep: Keep,
    now: datetime,
    *,
    builds: Collection[int],
    used: Collection[UUID],
) -> set[int]:
    """The numbers of one Dag's releases whose files are kept.

    Beside the newest and the youngest ones those that a run of Airflow's is on (*used* are their rows), and
    all of a build that is kept so or needed otherwise (*builds*: active, newest, the way back, tried).
    """
    older = {release.number for release in older_releases(ledger, keep, now)}
    kept = {
        release.build_id
        for release in ledger
        if release.number not in older or release.dag_version_id in used
    }
    return {release.number for release in ledger if release.build_id in kept or release.build_id in builds}
