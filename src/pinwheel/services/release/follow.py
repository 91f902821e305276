"""New runs of unpinned Dags take the newest bundle version in which their active build stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.core.event import EventKind
from pinwheel.core.release.follow import Follower, Step, plain, steps
from pinwheel.services.ports.host import Host
from pinwheel.services.release import dated
from pinwheel.services.release.outcome import ACTOR
from pinwheel.services.release.stands import showing
from pinwheel.services.rules import standing
from pinwheel.store import bundles, events, files, rejections

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class Due:
    """Dags of a bundle whose new runs, or Airflow's rows, do not take what they should."""

    following: list[Step]
    with_data: list[str]
    """Those whose bundle's class gives data with that version, or with the one that they are on."""


@frozen(kw_only=True)
class Followed:
    """How many Dags took another version, and whether others are to be released in one."""

    moved: int = 0
    with_data: bool = False


def follow(
    host: Host,
    session: Session,
    bundle_name: str,
    dag_ids: Collection[str] | None = None,
    *,
    ruled: bool = True,
) -> Followed:
    """Let the Dags of a bundle (these, or all) that follow take the newest version in which their active
    build stands.

    Dags whose rows somebody holds are passed over: they follow the next time. It is its own repair: a row
    that names another version than it must is put right. Dags of versions with data do not follow: see
    :mod:`pinwheel.services.release.same_build`. Not *ruled*: the caller knows that no rule, policy or rollout
    is about them.
    """
    found = due(host, session, bundle_name, dag_ids, ruled=ruled)
    if found.following:
        host.rows.follow(session, found.following)
        lost = {step.dag_id: step.found for step in found.following if step.mark_was_lost}
        dated.mark_restored(host, session, lost, bundle_name=bundle_name)
    moved = Counter(step.follow_version for step in found.following if step.follow_before is not None)
    for version, count in sorted(moved.items()):
        events.count(
            session,
            EventKind.FOLLOW,
            now=host.unit.now(),
            actor=ACTOR,
            bundle_name=bundle_name,
            version=version,
            dags=count,
        )
    return Followed(moved=moved.total(), with_data=bool(found.with_data))


def follow_each(host: Host, session: Session, free: Iterable[tuple[str, str]], *, ruled: bool = True) -> None:
    """Let Dags that nothing holds any more follow, each with its bundle before it: bundle by bundle."""
    by_bundle: dict[str, list[str]] = {}
    for bundle_name, dag_id in free:
        by_bundle.setdefault(bundle_name, []).append(dag_id)
    for bundle_name, dag_ids in sorted(by_bundle.items()):
        follow(host, session, bundle_name, dag_ids, ruled=ruled)


def due(
    host: Host,
    session: Session,
    bundle_name: str,
    dag_ids: Collection[str] | None = None,
    *,
    ruled: bool = True,
) -> Due:
    """Which Dags of the bundle (of these, or of all) are to take another version; their rows are held."""
    shown = showing(session, bundle_name, hold=True)
    found = host.rows.due_to_follow(session, bundle_name, shown.head.version, dag_ids) if shown.head else []
    if shown.head is None or not found:
        return Due(following=[], with_data=[])
    wanted = steps(
        found,
        shown.head,
        before=shown.before,
        pending=files.pending(session, bundle_name),
        rejections=rejections.of_bundle(session, bundle_name)
        if dag_ids is None
        else rejections.of_dags(session, [dag.dag_id for dag in found]),
        still=standing.still(host, session, [dag.dag_id for dag in found] if ruled else ()),
    )
    left = _with_data(session, bundle_name, found, wanted)
    return Due(
        following=[step for step in wanted if step.dag_id not in left],
        with_data=[step.dag_id for step in wanted if step.dag_id in left and step.follow_before is not None],
    )


def _with_data(
    session: Session, bundle_name: str, found: Collection[Follower], wanted: Collection[Step]
) -> set[str]:
    # Airflow gives the data of the version row to a run: a run must not have another version's files.
    on = {dag.dag_id: plain(dag.released_version) for dag in found if dag.released_version is not None}
    to = {step.dag_id: step.follow_version for step in wanted}
    data = bundles.with_data(session, bundle_name, {*on.values(), *to.values()})
    return {dag_id for dag_id in to if to[dag_id] in data or on.get(dag_id) in data}
