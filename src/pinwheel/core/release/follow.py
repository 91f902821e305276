"""Which Dags follow to a newer bundle version, and what their rows must say then."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

from attrs import frozen

from pinwheel.core.release.rejection import Rejection
from pinwheel.core.release.stand import Head
from pinwheel.core.run.mark import is_marked, without_mark
from pinwheel.core.version_alias import make_aliased_version, split_version


@frozen(kw_only=True)
class Follower:
    """An unpinned Dag, as its rows stand, and the newest span of its active build."""

    dag_id: str
    active_build_id: int
    relative_fileloc: str
    first_seq: int
    last_seq: int | None
    last_version: str | None
    """That span: where its build stood last; None: it stands in the head, if its file is not pending."""
    stable_bundle: str | None
    stable_fileloc: str | None
    released_version: str | None
    follow_version: str | None
    row_version: str | None
    found: str | None
    """What Airflow's row of the Dag names."""


@frozen(kw_only=True)
class Step:
    """What is to be written for one Dag."""

    dag_id: str
    follow_version: str
    follow_before: str | None
    """The version that new runs had before; None where it is the same, and only the row is put right."""
    row_version: str | None
    """None: the row's mark stays, whose version does not follow."""
    mark_was_lost: bool = False
    """Somebody took the mark off Airflow's row: it is put back."""
    found: str | None = None
    """What the row named then."""


def taken(follow_version: str | None, released_version: str | None) -> str | None:
    """The plain version that new runs of an active build take."""
    return follow_version or (plain(released_version) if released_version is not None else None)


@lru_cache(maxsize=1000)  # The Dags of a bundle name few versions
def plain(version: str) -> str:
    """A version without its aliases and the mark; one that is not of our bundles is left as it is."""
    version = without_mark(version)
    try:
        return split_version(version)[0]
    except ValueError:
        return version


def steps(
    due: Iterable[Follower],
    head: Head,
    *,
    before: Head | None,
    pending: Collection[str],
    rejections: Mapping[str, Collection[Rejection]],
    still: Collection[str] = (),
) -> list[Step]:
    """What following means for these Dags of a bundle that shows *head*, and *before* that another.

    ``pending`` are the files of which nobody knows yet what they give in the head: their Dags take the one
    before. Those of which the newest place is rejected, and those that are ``still``, stand: only their rows
    are put right.
    """
    found = []
    for dag in due:
        now = taken(dag.follow_version, dag.released_version)
        target = _target(dag, head, before, pending) if dag.dag_id not in still else _stands(now)
        if target is None or _is_rejected(dag, target, rejections.get(dag.dag_id, ())):
            continue
        if is_marked(dag.row_version):
            row_version = dag.row_version
        else:
            row_version = as_released(target.version, dag.released_version)
        rows_stay = dag.found == row_version == dag.row_version
        if row_version is None or (dag.follow_version == target.version and rows_stay):
            continue
        found.append(
            Step(
                dag_id=dag.dag_id,
                follow_version=target.version,
                follow_before=now if now != target.version else None,
                row_version=None if is_marked(row_version) and rows_stay else row_version,
                mark_was_lost=is_marked(row_version) and not is_marked(dag.found),
                found=dag.found if is_marked(row_version) and not rows_stay else None,
            )
        )
    return found


def _target(dag: Follower, head: Head, before: Head | None, pending: Collection[str]) -> Head | None:
    """The newest head in which the active build is known to stand; None: there is none."""
    if dag.last_seq is not None and dag.last_version is not None:
        return Head(seq=dag.last_seq, version=dag.last_version)
    if dag.relative_fileloc not in pending:
        return head
    return before if before is not None and before.seq >= dag.first_seq else None


def _stands(version: str | None) -> Head | None:
    """The version that a Dag takes already, whichever head it was."""
    return Head(seq=_NO_HEAD, version=version) if version is not None else None


_NO_HEAD = -1
"""No rejection holds there: what runs already is not taken away."""


def _is_rejected(dag: Follower, head: Head, rejections: Iterable[Rejection]) -> bool:
    # A rejected build that is active all the same was released on purpose.
    return any(
        each.of_versions and each.build_id == dag.active_build_id and each.holds_at(head)
        for each in rejections
    )


def as_released(version: str, released_version: str | None) -> str | None:
    """A version with the aliases of the released one; None: it can not be said."""
    if released_version is None or plain(released_version) == released_version:
        return version
    try:
        return make_aliased_version(version, split_version(released_version)[1])
    except ValueError:
        return None
