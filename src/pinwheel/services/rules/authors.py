"""Who had a part in places that begin to roll out: read for all of them at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.core.build import Build
from pinwheel.core.parse.declared import FILE
from pinwheel.core.parse.facts import BESIDE
from pinwheel.core.rollout.authors import Commits, authors_of
from pinwheel.core.rollout.state import Contributor
from pinwheel.services.ports.host import Host
from pinwheel.store import builds, bundles

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MOST_VERSIONS = 500
"""So many versions are looked at; who had a part before them is not known."""
_OF_ALL = (FILE, BESIDE + FILE)
"""What is an input of every Dag, as a bundle names it that is the whole repository or a folder of it."""


@frozen(kw_only=True)
class Between:
    """A place on its way, and what is in force in front of it."""

    active: Build | None
    active_seq: int | None
    """Seq of the version in force; None: there is none, or nobody knows which it is."""
    candidate: Build
    seq: int

    @property
    def after(self) -> int | None:
        """After which seq of the candidate's bundle the versions count; None: it is not known."""
        moved = self.active is not None and self.active.bundle_name != self.candidate.bundle_name
        return None if moved else self.active_seq

    @property
    def traced(self) -> bool:
        """Whether it is known of both builds what they are made of."""
        return not (self.candidate.adopted or (self.active is not None and self.active.adopted))


def authors(
    host: Host, session: Session, wanted: Mapping[str, Between]
) -> dict[str, tuple[Contributor, ...] | None]:
    """The authors and committers of what each Dag's place changes of what it is made of; None: not known.

    One statement for the builds, one for each bundle, and at most one for the users.

    :raises InvalidInput: the configuration of the users makes no sense.
    """
    if not wanted:
        return {}
    ids = {
        build.id for each in wanted.values() for build in (each.active, each.candidate) if build is not None
    }
    files = builds.files_of(session, ids)
    known = _known(session, wanted)
    people = host.deployment.people(session)
    found: dict[str, tuple[Contributor, ...] | None] = {}
    for dag_id, each in wanted.items():
        # An input that is gone was one: who removed it had a part
        before = files.get(each.active.id, {}) if each.active is not None else {}
        inputs = {*files.get(each.candidate.id, {}), *before, *_OF_ALL}
        found[dag_id] = authors_of(_versions(each, known[each.candidate.bundle_name]), inputs, people)
    return found


def _known(session: Session, wanted: Mapping[str, Between]) -> dict[str, dict[int, Commits | None]]:
    ranges: dict[str, tuple[int, int]] = {}
    for each in wanted.values():
        name = each.candidate.bundle_name
        first, last = ranges.get(name, (each.seq, each.seq))
        ranges[name] = min(first, each.after or 0, each.seq), max(last, each.seq)
    return {
        name: dict(bundles.contributors(session, name, first, last, most=MOST_VERSIONS))
        for name, (first, last) in ranges.items()
    }


def _versions(each: Between, known: Mapping[int, Commits | None]) -> list[Commits | None]:
    after = each.after
    seqs = range((after or 0) + 1, each.seq + 1)
    counted = [known[seq] for seq in seqs if seq in known]
    complete = after is not None and len(counted) == len(seqs) and each.traced
    return counted if complete else [None, *counted]
