"""The assets of runs that are on another build than the active one, kept active for them.

A worker starts no task that reads or writes an asset which is not active, and Airflow has an asset active
only while the row of some Dag refers to it: that of the active build. It takes an asset under an asset alias
for one that is referred to, too (``scheduler_job_runner.py``, ``_update_asset_orphanage``), and an alias
belongs to no Dag. So what such runs need is put under an alias of ours, which nothing is scheduled by, and
is taken from it when no such run is left: then it is the scheduler that has it inactive again. Before 3.3.2
an alias does not count, and what it has inactive too early is made active again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from airflow.assets.manager import asset_manager
from airflow.dag_processing.collection import AssetModelOperation
from airflow.models.asset import AssetActive, AssetAliasModel, AssetModel, alias_association_table
from airflow.models.dagbag import DBDagBag
from airflow.models.dagrun import DagRun
from airflow.serialization.definitions.assets import SerializedAsset
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.state import DagRunState
from sqlalchemy import and_, delete, exists, or_, select, tuple_
from sqlalchemy.orm import Session

from pinwheel.airflow3 import compat
from pinwheel.store import segments
from pinwheel.store import tables as t
from pinwheel.store.locking import begin_write, insert_missing

ALIAS, GROUP = "pinwheel-runs-on-other-builds", "pinwheel"

Key = tuple[str, str]
"""Name and URI: what Airflow knows an asset by. No two that are active share either."""

_of_version: dict[UUID, Mapping[Key, SerializedAsset]] = {}
_MOST = 500
"""So many versions a process remembers the assets of: that of a version which runs use never changes."""
_REFERRED_TO = or_(
    AssetModel.scheduled_dags.any(), AssetModel.producing_tasks.any(), AssetModel.consuming_tasks.any()
)
_under = alias_association_table.c
ANY = exists().where(AssetAliasModel.name == ALIAS, _under.alias_id == AssetAliasModel.id).correlate(None)
"""Whether any asset is kept."""


def keep(session: Session, dag_id: str, dag_version_id: UUID, dag: Any) -> None:
    """See to it that a run that is bound to this version, in this transaction, finds its assets active."""
    wanted = _of_dag(dag)
    if not wanted:
        return
    active = select(t.dag.c.dag_version_id).where(t.dag.c.dag_id == dag_id)
    if session.scalar(active) == dag_version_id:
        return
    alias_id = _lock(session)
    kept = _kept(session)
    _put(session, alias_id, {key: asset for key, asset in wanted.items() if key not in kept})


def unsettled(session: Session) -> bool:
    """Whether :func:`settle` has something to do. Reads only."""
    needless, missing, inactive = _due(session)
    return bool(needless or missing or inactive)


def settle(session: Session) -> None:
    """Keep what the runs need that are not finished, and nothing else."""
    begin_write(session)
    alias_id = _lock(session)
    # Whoever held the lock has bound a run: that is seen from here on.
    needless, missing, inactive = _due(session)
    _drop(session, needless.values())
    _put(session, alias_id, missing)
    _activate(session, inactive)


def give_way(session: Session, dags: Mapping[str, LazyDeserializedDAG]) -> None:
    """Before these Dags are written: what is kept for other runs must not have a name or URI of theirs."""
    kept = _kept(session)
    if not kept:
        return
    lost = {key: kept[key] for key in _sharing(kept, AssetModelOperation.collect(dict(dags)).assets)}
    if not lost:
        return
    _lock(session)
    _drop(session, lost.values())
    alone = select(AssetModel.name, AssetModel.uri).where(AssetModel.id.in_(lost.values()), ~_REFERRED_TO)
    unneeded = [(name, uri) for name, uri in session.execute(alone)]
    if unneeded:
        session.execute(
            delete(AssetActive)
            .where(tuple_(AssetActive.name, AssetActive.uri).in_(unneeded))
            .execution_options(synchronize_session=False)
        )


def forget(session: Session) -> None:
    """Leave nothing of this behind in Airflow's rows."""
    _drop(session, _kept(session).values())
    session.execute(
        delete(AssetAliasModel)
        .where(AssetAliasModel.name == ALIAS)
        .execution_options(synchronize_session=False)
    )


def _due(session: Session) -> tuple[dict[Key, int], dict[Key, SerializedAsset], set[Key]]:
    """What is kept needlessly, what is not kept yet and can be, and what the scheduler took for unneeded."""
    kept, wanted = _kept(session), _wanted(session)
    contested = _contested(session, wanted)
    needless = {key: asset_id for key, asset_id in kept.items() if key not in wanted or key in contested}
    missing = {key: asset for key, asset in wanted.items() if key not in kept}
    taken = _contested(session, missing, by_active=True)
    free = {key: asset for key, asset in missing.items() if key not in taken}
    inactive = set()
    if kept and not compat.aliases_keep_assets_active():
        inactive = (
            kept.keys() - needless.keys() - _contested(session, kept, by_active=True) - _active(session)
        )
    return needless, free, inactive


def _of_dag(dag: Any) -> dict[Key, SerializedAsset]:
    """What Airflow looks for when a task starts (``validate_inlets_and_outlets`` of the execution API)."""
    return {
        (asset.name, asset.uri): asset
        for task in dag.task_dict.values()
        for asset in (*task.inlets, *task.outlets)
        if isinstance(asset, SerializedAsset)
    }


def _wanted(session: Session) -> dict[Key, SerializedAsset]:
    """The assets of all runs that are not finished and not on the active version of their Dag, and of builds
    that eras name: a run may begin on them at any time.
    """
    of_runs = session.scalars(
        select(DagRun.created_dag_version_id)
        .join(t.dag, t.dag.c.dag_id == DagRun.dag_id)
        .where(
            DagRun.state.in_((DagRunState.QUEUED, DagRunState.RUNNING)),
            DagRun.created_dag_version_id.is_not(None),
            DagRun.created_dag_version_id.is_distinct_from(t.dag.c.dag_version_id),
        )
        .distinct()
    )
    wanted: dict[Key, SerializedAsset] = {}
    for version_id in {*of_runs, *segments.versions_of_eras(session)}:
        if version_id not in _of_version:
            dag = DBDagBag(load_op_links=False).get_dag(version_id, session)
            if dag is None:
                continue
            if len(_of_version) >= _MOST:
                _of_version.clear()
            _of_version[version_id] = _of_dag(dag)
        wanted |= _of_version[version_id]
    return wanted


def _kept(session: Session) -> dict[Key, int]:
    """The ids of the assets under our alias."""
    rows = session.execute(
        select(AssetModel.name, AssetModel.uri, AssetModel.id)
        .join(alias_association_table, _under.asset_id == AssetModel.id)
        .join(AssetAliasModel, AssetAliasModel.id == _under.alias_id)
        .where(AssetAliasModel.name == ALIAS)
    )
    return {(name, uri): asset_id for name, uri, asset_id in rows}


def _lock(session: Session) -> int:
    """The id of our alias, which is made when it is not there; others wait until the transaction ends."""
    insert_missing(session, AssetAliasModel.__table__, {"name": ALIAS, "group": GROUP}, ("name",))
    query = select(AssetAliasModel.id).where(AssetAliasModel.name == ALIAS).with_for_update()
    return int(session.scalars(query).one())


def _drop(session: Session, asset_ids: Collection[int]) -> None:
    ours = select(AssetAliasModel.id).where(AssetAliasModel.name == ALIAS).scalar_subquery()
    if asset_ids:
        session.execute(
            delete(alias_association_table).where(_under.alias_id == ours, _under.asset_id.in_(asset_ids))
        )


def _put(session: Session, alias_id: int, wanted: Mapping[Key, SerializedAsset]) -> None:
    """Put assets under our alias and make them active, but for those whose name or URI another one has."""
    contested = _contested(session, wanted, by_active=True)
    free = {key: asset for key, asset in wanted.items() if key not in contested}
    if not free:
        return
    query = select(AssetModel).where(tuple_(AssetModel.name, AssetModel.uri).in_(list(free)))
    models = {(model.name, model.uri): model for model in session.scalars(query)}
    # Those that are there stay as they are: group and extra are the active build's.
    new = asset_manager.create_assets([free[key] for key in free.keys() - models.keys()], session=session)
    session.flush()
    rows = [{"alias_id": alias_id, "asset_id": model.id} for model in (*models.values(), *new)]
    insert_missing(session, alias_association_table, rows, ("alias_id", "asset_id"))
    # The scheduler would within a minute. It sees these and what is above at once: no second row.
    _activate(session, free)


def _activate(session: Session, keys: Iterable[Key]) -> None:
    rows = [{"name": name, "uri": uri} for name, uri in sorted(keys)]
    insert_missing(session, AssetActive.__table__, rows, ("name", "uri"))


def _active(session: Session) -> set[Key]:
    """Those under our alias that are active."""
    rows = session.execute(
        select(AssetActive.name, AssetActive.uri)
        .join(AssetModel, and_(AssetModel.name == AssetActive.name, AssetModel.uri == AssetActive.uri))
        .join(alias_association_table, _under.asset_id == AssetModel.id)
        .join(AssetAliasModel, AssetAliasModel.id == _under.alias_id)
        .where(AssetAliasModel.name == ALIAS)
    )
    return {(name, uri) for name, uri in rows}


def _contested(session: Session, wanted: Collection[Key], *, by_active: bool = False) -> set[Key]:
    """Those whose name or URI belongs to another asset that a Dag refers to, or, if asked, that is active."""
    if not wanted:
        return set()
    others = session.execute(
        select(AssetModel.name, AssetModel.uri).where(
            or_(
                AssetModel.name.in_([name for name, _ in wanted]),
                AssetModel.uri.in_([uri for _, uri in wanted]),
            ),
            or_(_REFERRED_TO, AssetModel.active.has()) if by_active else _REFERRED_TO,
        )
    )
    return _sharing(wanted, {(name, uri) for name, uri in others})


def _sharing(keys: Iterable[Key], others: Collection[Key]) -> set[Key]:
    """Those of the keys that share a name or a URI with another one."""
    by_name: dict[str, set[str]] = {}
    by_uri: dict[str, set[str]] = {}
    for name, uri in others:
        by_name.setdefault(name, set()).add(uri)
        by_uri.setdefault(uri, set()).add(name)
    return {
        (name, uri)
        for name, uri in keys
        if by_name.get(name, set()) - {uri} or by_uri.get(uri, set()) - {name}
    }
