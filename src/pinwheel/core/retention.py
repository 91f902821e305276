"""What may go of what Pinwheel stores, and what must stay. Pure: the facts come from the store."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from datetime import datetime, timedelta

from attrs import field, frozen

from pinwheel.core.errors import InvalidInput

RUNS_DAYS = 30
"""Days after which the bindings and outcomes of a run may go that Airflow no longer has."""


@frozen(kw_only=True)
class Keep:
    """How much is kept, by the options of the section ``[pinwheel]``."""

    builds: int = 50
    """Builds of each Dag that were never released or tried, counted from its newest build of all."""
    events_days: int = 400

    def __attrs_post_init__(self) -> None:
        for name, value, least in (
            ("keep_builds", self.builds, 1),
            ("keep_events_days", self.events_days, 1),
        ):
            if value < least:
                raise InvalidInput(
                    f"Cannot keep [pinwheel] {name} = {value}",
                    found=f"it has to be at least {least}",
                    remedy="Correct the option; nothing is removed until then",
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
