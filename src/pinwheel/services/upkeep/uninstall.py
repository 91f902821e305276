"""Leaving: what is ours goes, what is Airflow's stays and runs on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.core.errors import Refused
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.why_held import why_held
from pinwheel.core.rollout.effects import Save
from pinwheel.core.rollout.state import State, ended
from pinwheel.services.ports.deployment import Leftovers
from pinwheel.services.ports.host import Host
from pinwheel.services.release import holding
from pinwheel.services.release.outcome import ACTOR
from pinwheel.services.rules import writing
from pinwheel.services.rules.writing import Moved
from pinwheel.services.upkeep.free_runs import Freed, free_runs
from pinwheel.store import builds, dags, rejections, rollouts, stands

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


LEAVES = "Pinwheel is uninstalled"
"""Why what is on its way ends."""


@frozen(kw_only=True)
class Leaving(Leftovers):
    """What is dropped and what remains."""

    tables: tuple[str, ...]
    processors: tuple[str, ...]
    """Machines on which a Dag processor is alive."""
    pinned: tuple[str, ...]
    held: tuple[str, ...]
    """Dags that a plain Dag processor would move to their newest build."""
    rolling: tuple[str, ...]
    """Dags of which a place was on its way: that ends."""
    dated: tuple[str, ...]
    """Dags whose runs are judged by their dates, which nothing does any more then."""
    bound: int
    """Runs that waited and are bound to what their dates ask for."""
    to_active: tuple[str, ...]
    """Runs that waited and can not be bound to that: they take the active release."""
    remains: tuple[str, ...]
    """Sentences that say what to do about what is left."""


def plan(host: Host) -> Leaving:
    """What :func:`uninstall` would drop and what would remain. Nothing is changed."""
    return host.rehearse(lambda rehearsal: rehearsal.unit.run(lambda s: _plan(rehearsal, s)))


def uninstall(host: Host, *, force: bool = False) -> Leaving:
    """Drop Pinwheel's tables and return what :func:`plan` said just before.

    Airflow's rows are left as they are, so active releases go on being scheduled.

    :raises Refused: a Dag processor is alive: ours would fail without its tables. ``force`` does it anyway.
    """

    def work(session: Session) -> Leaving:
        found = _plan(host, session)
        if found.processors and not force:
            raise Refused(
                "Cannot uninstall Pinwheel",
                found=f"a Dag processor is alive on {', '.join(found.processors)}",
                remedy="Stop it and repeat, or say --yes when it is the plain airflow dag-processor",
                processors=list(found.processors),
            )
        if found.tables:
            host.deployment.drop_own_tables(session)
        return found

    return host.unit.run(work)


LOOK_AGAIN = 10.0
"""Seconds after which a run is there that read its Dag's row before that lost the mark."""


def look_again(host: Host) -> int:
    """Take the mark from what was made with it while it was taken from the rows; from how many rows."""
    return host.unit.run(lambda session: host.rows.strip_marks(session))


def _plan(host: Host, session: Session) -> Leaving:
    tables = host.deployment.own_tables(session)
    rows = dags.rows(session) if "pinwheel_dag" in tables else {}
    pinned = sorted(dag_id for dag_id, row in rows.items() if row.pinned)
    rejected = rejections.of_newest(session) if "pinwheel_rejection" in tables else {}
    lags = stands.lags(session, pinned) if "pinwheel_stand" in tables else {}
    later = {dag_id for dag_id, lag in lags.items() if lag.later}
    ruled = holding.ruled(host, session) if "pinwheel_rollout" in tables else {}
    held = sorted(
        dag_id
        for dag_id, row in rows.items()
        if why_held(row, rejected.get(dag_id), later=dag_id in later, ruled=ruled.get(dag_id, ()))
    )
    rolling = _withdrawn(host, session, rows) if "pinwheel_rollout" in tables else ()
    freed = free_runs(host, session) if tables else Freed()
    left = host.deployment.leftovers(session)
    return Leaving(
        tables=tuple(tables),
        processors=tuple(host.deployment.live_processors(session)),
        pinned=tuple(pinned),
        held=tuple(held),
        rolling=rolling,
        remains=_remains(pinned, held, rolling, left, freed),
        dated=freed.dated,
        bound=freed.bound,
        to_active=freed.to_active,
        bundles=left.bundles,
        aliased_dags=left.aliased_dags,
        trial_versions=left.trial_versions,
        rows_for_dates=left.rows_for_dates,
    )


def _withdrawn(host: Host, session: Session, rows: Mapping[str, ManagedDag]) -> tuple[str, ...]:
    """End what is on its way, so that Airflow's audit log says what became of it; of which Dags."""
    live = {
        dag_id: [each for each in some if each.live]
        for dag_id, some in rollouts.of_dags(session, None).items()
        if dag_id in rows and any(each.live for each in some)
    }
    if not live:
        return ()
    now = host.unit.now()
    moved = [
        Moved(
            dag_id=dag_id,
            bundle_name=rows[dag_id].bundle_name,
            moves=tuple(Save(rollout=ended(each, State.WITHDRAWN, LEAVES, now)) for each in some),
            actor=ACTOR,
            reason=LEAVES,
        )
        for dag_id, some in sorted(live.items())
    ]
    places = {each.place.build_id for some in live.values() for each in some}
    writing.write(host, session, moved, builds.by_ids(session, places), now=now)
    return tuple(sorted(live))


def _remains(
    pinned: list[str], held: list[str], rolling: tuple[str, ...], left: Leftovers, freed: Freed
) -> tuple[str, ...]:
    told = [
        "Start the plain processor in place of ours: airflow dag-processor",
        "Every release so far stays in Airflow as a Dag version",
    ]
    if held or pinned:
        told.append(
            f"{len({*held, *pinned})} pinned or held Dags will follow their newest code once the plain "
            "processor parses them"
        )
    if rolling:
        told.append(f"What was on its way of {len(rolling)} Dags is withdrawn: it is released no more by us")
    if freed.dated:
        told.append(
            f"Runs of {len(freed.dated)} Dags were judged by their dates: from now on new runs, and those "
            "that are cleared on the latest version, take the active release whatever their date"
        )
    if left.bundles:
        told.append(
            f"Bundles {', '.join(left.bundles)} use Pinwheel's classes: give them Airflow's own in "
            "[dag_processor] dag_bundle_config_list before the package is removed"
        )
    if left.aliased_dags:
        told.append(
            f"{len(left.aliased_dags)} Dags whose file moved carry a version that only Pinwheel's bundles "
            "read; the plain processor rewrites it at its first parse"
        )
    if left.trial_versions:
        told.append(
            f"{left.trial_versions} Dag versions with negative numbers stay for the runs that tried "
            "unreleased builds"
        )
    if left.rows_for_dates:
        told.append(
            f"{left.rows_for_dates} more stay for runs of dates at which some of their tasks have no place"
        )
    told.append("Remove the [pinwheel] section from airflow.cfg, then: pip uninstall airflow-pinwheel")
    return tuple(told)
