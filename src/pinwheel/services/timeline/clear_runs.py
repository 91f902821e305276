"""Clear what does not match: runs that are on another build than that of their date run again, on it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol
from uuid import UUID, uuid4

from attrs import frozen

from pinwheel.core.build import Build
from pinwheel.core.chunks import chunks
from pinwheel.core.digest import digest_of
from pinwheel.core.errors import HostError, NotFound, Refused
from pinwheel.core.event import EventKind
from pinwheel.core.json import Json
from pinwheel.core.records import AnsweredRequest
from pinwheel.core.release.follow import taken
from pinwheel.core.request import ClearDatedRequest
from pinwheel.core.run.binding import BoundBy, Tries
from pinwheel.core.run.fit import Fit
from pinwheel.core.runtime import parsed_elsewhere
from pinwheel.core.structure.windows import segment_at
from pinwheel.services import once
from pinwheel.services.ports.host import Host
from pinwheel.services.release import variants
from pinwheel.services.release.own_row import Target, version_for
from pinwheel.services.run.bound import Cleared, record
from pinwheel.services.run.known import known_dag
from pinwheel.services.timeline.known import Known, known
from pinwheel.services.timeline.runs import AllJudged, Judged, judge_all
from pinwheel.services.timeline.surroundings import of_assets
from pinwheel.services.timeline.views import ClearedByDate, DatedRunView
from pinwheel.store import bindings, builds, requests, segments
from pinwheel.store.bindings import NewBinding
from pinwheel.store.locking import lock_dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

AT_ONCE = 20
"""So many runs are cleared in one transaction."""
RUNNING = "running"
NAMED = 5
"""So many runs are named that are left for one reason."""
_NEVER_ANSWERED: once.Form[None] = once.Form(version=1, write=lambda _: None, readers={})
"""A repeat looks again what there is to do."""


@frozen(kw_only=True)
class _Done:
    views: tuple[DatedRunView, ...] = ()
    instances: int = 0
    left: tuple[tuple[str, str], ...] = ()
    """Runs that cannot be cleared as things are, each with what was found."""


def clear(
    host: Host, request: ClearDatedRequest, *, actor: str, sees: once.Sees = once.all_of_them
) -> ClearedByDate:
    """Let the runs that do not match run again on the builds of their dates, oldest date first.

    So many at once; one that was killed in the middle goes on when it is repeated, and clears each run once.
    Runs that run, or that cannot be cleared as things are, are left and named. A plan says what would be
    done, and writes nothing.

    :raises Conflict: the request id stands for another request.
    :raises NotFound, Refused: the Dag is not managed, or one of the named runs does not exist.
    """
    with known_dag(host, request.dag_id):
        key = request.request_id or uuid4().hex
        if not request.plan:
            once.begin(host, _request(request, actor, sees), _NEVER_ANSWERED)
        wanted, running, warnings = host.unit.run(lambda session: _look(host, session, request))
        work = partial(_clear, request=request, key=key, actor=actor)
        done = [_cleared(host, work, some, plan=request.plan) for some in chunks(wanted, AT_ONCE)]
    if not request.plan and any(each.views for each in done):
        host.unit.announce([{"kind": EventKind.CLEAR.value, "dag_id": request.dag_id}])
    return ClearedByDate(
        dag_id=request.dag_id,
        runs=tuple(view for each in done for view in each.views),
        instances=sum(each.instances for each in done),
        running=tuple(running),
        left=tuple(run_id for each in done for run_id, _ in each.left),
        warnings=(*warnings, *_left_words([left for each in done for left in each.left])),
    )


def _request(asked: ClearDatedRequest, actor: str, sees: once.Sees) -> once.Request:
    return once.Request(
        id=asked.request_id,
        actor=actor,
        verb=EventKind.CLEAR.value,
        dag_ids=(asked.dag_id,),
        values={"differing": True, "run_ids": sorted(set(asked.run_ids)), "reason": asked.reason},
        sees=sees,
    )


class _Work(Protocol):
    def __call__(self, host: Host, session: Session, *, run_ids: Sequence[str]) -> _Done: ...


def _cleared(host: Host, work: _Work, run_ids: Sequence[str], *, plan: bool) -> _Done:
    """Clear these runs together, or, where one of them cannot be, each for itself: no run stops another."""
    try:
        if plan:
            return host.rehearse(
                lambda rehearsal: rehearsal.unit.run(lambda s: work(rehearsal, s, run_ids=run_ids))
            )
        return host.unit.run(lambda session: work(host, session, run_ids=run_ids))
    except (HostError, NotFound, Refused) as error:
        if len(run_ids) == 1:
            return _Done(left=((run_ids[0], error.found),))
    each = [_cleared(host, work, [run_id], plan=plan) for run_id in run_ids]
    return _Done(
        views=tuple(view for one in each for view in one.views),
        instances=sum(one.instances for one in each),
        left=tuple(left for one in each for left in one.left),
    )


def _left_words(left: Sequence[tuple[str, str]]) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for run_id, found in left:
        by_reason.setdefault(found, []).append(run_id)
    return [
        f"left {', '.join(ids[:NAMED])}{f' and {len(ids) - NAMED} more' if ids[NAMED:] else ''}: {found}"
        for found, ids in by_reason.items()
    ]


def _look(host: Host, session: Session, request: ClearDatedRequest) -> tuple[list[str], list[str], list[str]]:
    """The runs to clear, oldest first; those that run; and what is to be said of it."""
    dag = known(host, session, request.dag_id)
    found = _differing(host, session, dag, request.run_ids)
    running = [each.run.run_id for each in found[1] if each.run.state == RUNNING]
    wanted = [each.run.run_id for each in found[1] if each.run.state != RUNNING]
    return wanted, running, _warnings(host, session, found[0], found[1])


def _differing(
    host: Host, session: Session, dag: Known, run_ids: Collection[str]
) -> tuple[AllJudged, list[Judged]]:
    judged = judge_all(host, session, dag, dag.eras, run_ids=run_ids or None)
    if missing := sorted(set(run_ids) - {each.run.run_id for each in judged.runs}):
        raise NotFound(
            f"Cannot find run {missing[0]} of {dag.dag_id}",
            found="Airflow has no such run",
            remedy="Check the run id",
            dag_id=dag.dag_id,
            run_id=missing[0],
        )
    return judged, [each for each in judged.runs if each.fit is Fit.DIFFERS]


def _clear(
    host: Host, session: Session, *, request: ClearDatedRequest, run_ids: Sequence[str], key: str, actor: str
) -> _Done:
    """Clear those of these runs that still do not match, each once for this request."""
    dag = known(host, session, request.dag_id, lock_dags(session, [request.dag_id]))
    judged, differing = _differing(host, session, dag, run_ids)
    loaded = builds.by_ids(session, {era.build_id for era in dag.eras})
    views, instances = [], 0
    for each in differing:
        if each.run.state == RUNNING or not _claimed(host, session, request, each.run.run_id, key, actor):
            continue
        build = loaded[each.era.build_id] if each.era is not None else dag.active
        if build is None:
            continue
        instances += _clear_one(host, session, dag, judged, each, build, actor, request.reason)
        views.append(judged.view(each))
    return _Done(views=tuple(views), instances=instances)


def _claimed(
    host: Host, session: Session, request: ClearDatedRequest, run_id: str, key: str, actor: str
) -> bool:
    """Whether the run was not cleared under this request before."""
    noted = AnsweredRequest(
        actor=actor,
        fingerprint=digest_of(["clear by date", request.dag_id, run_id]),
        verb=EventKind.CLEAR.value,
        dag_ids=[request.dag_id],
        answer=None,
        at=host.unit.now(),
    )
    own = digest_of([actor, key, request.dag_id, run_id])
    if not requests.claim(session, own, noted):
        return False
    requests.answer(session, own, {})
    return True


def _clear_one(
    host: Host,
    session: Session,
    dag: Known,
    judged: AllJudged,
    each: Judged,
    build: Build,
    actor: str,
    reason: str | None,
) -> int:
    run, era = each.run, each.era
    row = dag.row
    version = era.bundle_version if era is not None else taken(row.follow_version, row.released_version)
    version_id, release, at = version_for(host, session, Target(build=build, version=version))
    row_id, position = _row_of_date(host, session, build, judged, each)
    cleared, seq, bound_id, bound_version = host.runs.clear_run(
        session,
        dag.dag_id,
        run.run_id,
        dag_version_id=row_id or version_id,
        bundle_version=at,
        only_failed=False,
        task_ids=None,
    )
    present = host.reads.present(session, dag.dag_id, [run.run_id]).get(run.run_id, ())
    bindings.add(
        session,
        NewBinding(
            dag_id=dag.dag_id,
            run_id=run.run_id,
            seq=seq,
            dag_version_id=bound_id,
            bundle_version=at or bound_version,
            bound_by=BoundBy.ERA if era is not None else BoundBy.ACTIVE,
            actor=actor,
            bound_at=host.unit.now(),
            tries=Tries.of(present),
            date=each.date.at,
            date_by=each.date.by.value,
            revision=dag.revision,
            segment=position,
        ),
        release=release,
        build_id=build.id,
    )
    bound = Cleared(
        dag_id=dag.dag_id,
        run_id=run.run_id,
        build=build.build,
        release=release,
        bundle_version=at or bound_version,
        cleared=cleared,
    )
    record(host, session, EventKind.CLEAR, bound, actor=actor, reason=reason, cleared=cleared)
    return cleared


def _row_of_date(
    host: Host, session: Session, build: Build, judged: AllJudged, each: Judged
) -> tuple[UUID | None, int]:
    """The version row without the tasks that have no place at the run's date, and its position.

    None: the build's own row has all of them.
    """
    stretches = judged.stretches.get(build.id, ())
    position = segment_at(stretches, each.date.at) + 1 if stretches else 0
    rows = segments.of_builds(session, [build.id]).get(build.id, ())
    absent = bool(stretches) and bool(stretches[position - 1].absent)
    spent = next((row.position for row in rows if not row.stretch), None)
    wanted = position if absent else spent
    if wanted is None:
        return None, position
    return variants.make_rows(host, session, build, [wanted])[wanted], position


def _warnings(host: Host, session: Session, judged: AllJudged, differing: Sequence[Judged]) -> list[str]:
    """What may be another thing than it was when these builds ran."""
    eras = {each.era.build_id: each.era for each in differing if each.era is not None}
    loaded = builds.by_ids(session, eras)
    contents = builds.serialized(session, set(eras))
    parsed = {era.runtime for era in eras.values() if era.runtime}
    runtimes = builds.runtimes(session, parsed | {build.runtime for build in loaded.values()})
    said = []
    for build_id, era in sorted(eras.items(), key=lambda item: item[1].build):
        build = loaded[build_id]
        if era.runtime and build.runtime and era.runtime != build.runtime:
            then, here = runtimes.get(build.runtime), runtimes.get(era.runtime)
            said.append(parsed_elsewhere(f"build {era.build}", then, here))
        if _depends_on_past(contents[build_id]):
            said.append(
                f"tasks of build {era.build} depend on their own past: they wait for the run before theirs"
            )
    return [*said, *of_assets(host, session, loaded.values())]


def _depends_on_past(serialized: Json) -> bool:
    if isinstance(serialized, dict):
        return bool(serialized.get("depends_on_past")) or any(map(_depends_on_past, serialized.values()))
    return isinstance(serialized, list) and any(map(_depends_on_past, serialized))
