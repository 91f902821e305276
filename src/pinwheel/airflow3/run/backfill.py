"""Backfills: all runs on one chosen version, or as Airflow itself makes them.

What is refused, which dates make a run and what happens to runs that exist is as in Airflow's own
``models/backfill.py`` (3.3 and 3.4). Two things differ where a version is chosen: the timetable, the params
and the tasks are that version's; and everything is one transaction, so that no scheduler ever sees one of
the runs on another version.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from airflow.exceptions import DagNotFound, DagRunTypeNotAllowed
from airflow.models import backfill as stock
from airflow.models.backfill import Backfill, BackfillDagRun, BackfillDagRunExceptionReason, ReprocessBehavior
from airflow.models.dag_version import DagVersion
from airflow.models.dagbag import DBDagBag
from airflow.models.dagrun import DagRun
from airflow.sdk import timezone
from airflow.utils.retries import run_with_db_retries
from airflow.utils.session import create_session
from airflow.utils.sqlalchemy import with_row_locks
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from tenacity import retry_if_exception

from pinwheel.airflow3 import compat
from pinwheel.airflow3.run.clear import clear_run
from pinwheel.airflow3.run.create import bind, runnable
from pinwheel.airflow3.run.held import BEHIND
from pinwheel.core.chunks import chunks
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, PinwheelError, Refused
from pinwheel.services.ports.runs import AirflowBackfill, BackfillRun, BackfillWish
from pinwheel.store.refusals import is_locked


def create_backfill(
    session: Session,
    dag_id: str,
    dag_version_id: Any,
    wish: BackfillWish,
    *,
    bundle_version: str | None,
    actor: str,
) -> AirflowBackfill:
    """Add a backfill all of whose runs use one version, in the caller's transaction.

    Their file is that of *bundle_version*, which may serve it under a path that the version's row does not.

    :raises Refused: the Dag is retired, or the version has no schedule that can be backfilled so.
    :raises Conflict: another backfill of the Dag is active.
    :raises InvalidInput: the dates or the configuration do not fit.
    """
    version, dag = runnable(session, dag_id, dag_version_id)
    if dag.timetable.partitioned:
        raise Refused(
            f"Cannot backfill {dag_id} on a chosen build",
            found="its schedule is partitioned, and Pinwheel binds backfills of plain schedules only",
            remedy="Leave --build out to backfill the active build",
        )
    survey = _survey(session, dag, wish)
    backfill = Backfill(
        dag_id=dag_id,
        from_date=wish.from_date,
        to_date=wish.to_date,
        max_active_runs=wish.max_active_runs,
        dag_run_conf=wish.conf or {},
        reprocess_behavior=ReprocessBehavior(wish.reprocess),
        triggering_user_name=actor,
    )
    session.add(backfill)
    session.flush()
    made = []
    for ordinal, (info, existing) in enumerate(survey, start=1):
        reason = _reason(existing, wish)
        if existing is None:
            run, reason = _new_run(
                session, dag, version, info, wish, backfill.id, bundle_version=bundle_version, actor=actor
            )
        elif reason is None:
            run, reason = _cleared_run(session, version, existing, wish, backfill.id, bundle_version)
        else:
            run = existing
        session.add(
            BackfillDagRun(
                backfill_id=backfill.id,
                dag_run_id=run.id if run is not None and reason is None else None,
                exception_reason=reason,
                logical_date=info.logical_date,
                sort_ordinal=ordinal,
            )
        )
        made.append(_told(run, info, reason, "new" if existing is None else "cleared"))
    session.flush()
    # Airflow commits a backfill before it makes the runs, and looks for others before that: one that began
    # after ours looked is there by now, unless it comes between here and the commit.
    _refuse_second(session, dag_id, but=backfill.id)
    return AirflowBackfill(id=backfill.id, runs=tuple(made))


def create_default_backfill(dag_id: str, wish: BackfillWish, *, actor: str) -> int:
    """Let Airflow create a backfill, as its own API and CLI do, in transactions of its own; return its id."""
    from airflow.api_fastapi.common.dagbag import resolve_run_on_latest_version

    with create_session() as session:
        asked = True if wish.on_latest else None
        latest = resolve_run_on_latest_version(asked, dag_id, session, fallback=True)
    since = timezone.utcnow()

    def nothing_is_left(error: BaseException) -> bool:
        """Its row is committed first, and taken back where a lock ends what follows."""
        if not is_locked(error):
            return False
        with create_session() as session:
            return backfill_since(session, dag_id, wish, since, actor=actor) is None

    for attempt in run_with_db_retries().copy(retry=retry_if_exception(nothing_is_left)):
        with attempt, _translated(dag_id):
            made = stock._create_backfill(
                dag_id=dag_id,
                from_date=wish.from_date,
                to_date=wish.to_date,
                max_active_runs=wish.max_active_runs,
                reverse=wish.run_backwards,
                dag_run_conf=wish.conf,
                triggering_user_name=actor,
                reprocess_behavior=ReprocessBehavior(wish.reprocess),
                run_on_latest_version=latest,
            )
    return int(made.id)


def backfill_since(
    session: Session, dag_id: str, wish: BackfillWish, since: datetime, *, actor: str
) -> int | None:
    """The first backfill that *actor* made of the same Dag, dates and settings since then."""
    rows = session.scalars(
        select(Backfill)
        .where(
            Backfill.dag_id == dag_id,
            Backfill.created_at >= since,
            Backfill.from_date == wish.from_date,
            Backfill.to_date == wish.to_date,
            Backfill.max_active_runs == wish.max_active_runs,
            Backfill.reprocess_behavior == ReprocessBehavior(wish.reprocess),
            Backfill.triggering_user_name == actor,
        )
        .order_by(Backfill.id)
    )
    return next((row.id for row in rows if (row.dag_run_conf or {}) == (wish.conf or {})), None)


def plan_default_backfill(session: Session, dag_id: str, wish: BackfillWish) -> tuple[BackfillRun, ...]:
    """What :func:`create_default_backfill` would make of each date; writes nothing."""
    dag = DBDagBag(load_op_links=False).get_latest_version_of_dag(dag_id, session=session)
    if dag is None:
        raise _unknown(dag_id)
    return tuple(
        _told(existing, info, _reason(existing, wish), "new" if existing is None else "cleared")
        for info, existing in _survey(session, dag, wish)
    )


def backfill_runs(session: Session, backfill_id: int) -> tuple[BackfillRun, ...]:
    """The runs of a backfill, in the order in which they run."""
    rows = session.execute(
        select(BackfillDagRun, DagRun)
        .outerjoin(DagRun, DagRun.id == BackfillDagRun.dag_run_id)
        .where(BackfillDagRun.backfill_id == backfill_id)
        # Those that wait to be bound were moved behind the others, and come back.
        .order_by(BackfillDagRun.sort_ordinal % BEHIND)
    )
    return tuple(
        _told(run, row, row.exception_reason, "cleared" if run is not None and run.clear_number else "new")
        for row, run in rows
    )


def _survey(session: Session, dag: Any, wish: BackfillWish) -> list[tuple[Any, DagRun | None]]:
    """Every date in the range with the run that exists for it, in the order in which they will run."""
    with _translated(dag.dag_id):
        if not dag.timetable.periodic:
            raise stock.DagNonPeriodicScheduleException
        if dag.allowed_run_types is not None and DagRunType.BACKFILL_JOB not in dag.allowed_run_types:
            raise DagRunTypeNotAllowed
        _refuse_second(session, dag.dag_id)
        stock._validate_backfill_params(
            dag,
            wish.run_backwards,
            wish.from_date,
            wish.to_date,
            ReprocessBehavior(wish.reprocess),
            wish.conf,
        )
        infos = list(dag.iter_dagrun_infos_between(wish.from_date, wish.to_date))
        if not dag.timetable.partitioned:
            now = timezone.utcnow()
            infos = [info for info in infos if info.data_interval and info.data_interval.end < now]
        if not infos:
            raise stock.NoBackfillRunsToCreate
    if wish.run_backwards:
        infos.reverse()
    existing = _existing(session, dag.dag_id, infos)
    return [(info, existing.get(info.logical_date or info.partition_date)) for info in infos]


def _existing(session: Session, dag_id: str, infos: Sequence[Any]) -> dict[Any, DagRun]:
    """Runs by logical date, or by partition date the one that started last."""
    column: Any = DagRun.logical_date if infos[0].logical_date is not None else DagRun.partition_date
    dates = [info.logical_date or info.partition_date for info in infos]
    found: dict[Any, DagRun] = {}
    for chunk in chunks(dates):
        query = (
            select(DagRun)
            .where(DagRun.dag_id == dag_id, column.in_(chunk))
            .order_by(DagRun.start_date.is_not(None), DagRun.start_date)
        )
        found |= {run.logical_date or run.partition_date: run for run in session.scalars(query)}
    return found


def _reason(existing: DagRun | None, wish: BackfillWish) -> str | None:
    """Airflow's reason to leave a date out; None when it gets a run."""
    if existing is None:
        return None
    why: str | None = stock._get_dag_run_no_create_reason(existing, ReprocessBehavior(wish.reprocess))
    return why


def _new_run(
    session: Session,
    dag: Any,
    version: DagVersion,
    info: Any,
    wish: BackfillWish,
    backfill_id: int,
    *,
    bundle_version: str | None,
    actor: str,
) -> tuple[DagRun | None, str | None]:
    run_id = DagRun.generate_run_id(
        run_type=DagRunType.BACKFILL_JOB, logical_date=info.logical_date, run_after=info.run_after
    )
    try:
        with session.begin_nested():
            run = compat.create_dagrun(
                dag,
                version,
                run_id=run_id,
                logical_date=info.logical_date,
                data_interval=info.data_interval,
                run_after=info.run_after,
                conf=wish.conf,
                run_type=DagRunType.BACKFILL_JOB,
                triggered_by=DagRunTriggeredByType.BACKFILL,
                triggering_user_name=actor,
                state=DagRunState.QUEUED,
                start_date=timezone.utcnow(),
                backfill_id=backfill_id,
                session=session,
            )
            bind(session, run, dag, version, bundle_version)
    except IntegrityError:
        # The scheduler was faster.
        return None, BackfillDagRunExceptionReason.IN_FLIGHT
    except ValueError as error:
        # A param that has no value, say, in the words of Airflow's ParamValidationError.
        raise InvalidInput(
            f"Cannot backfill {dag.dag_id}", found=str(error), remedy="Correct the configuration"
        ) from error
    return run, None


def _cleared_run(
    session: Session,
    version: DagVersion,
    run: DagRun,
    wish: BackfillWish,
    backfill_id: int,
    bundle_version: str | None,
) -> tuple[DagRun, str | None]:
    lock = with_row_locks(select(DagRun.id).where(DagRun.id == run.id), session=session, skip_locked=True)
    if session.scalar(lock) is None:
        return run, BackfillDagRunExceptionReason.IN_FLIGHT
    session.refresh(run)
    reason = _reason(run, wish)
    if reason is not None:
        return run, reason
    clear_run(
        session,
        run.dag_id,
        run.run_id,
        dag_version_id=version.id,
        bundle_version=bundle_version,
        only_failed=False,
    )
    run.backfill_id = backfill_id
    run.run_type = DagRunType.BACKFILL_JOB
    run.triggered_by = DagRunTriggeredByType.BACKFILL
    if wish.conf is not None:
        run.conf = wish.conf
    session.flush()
    return run, None


def _told(run: DagRun | None, info: Any, reason: str | None, otherwise: str) -> BackfillRun:
    return BackfillRun(
        run_id=run.run_id if run is not None else None,
        logical_date=info.logical_date,
        partition_key=info.partition_key,
        outcome=BackfillDagRunExceptionReason(reason).value if reason is not None else otherwise,
        seq=run.clear_number if run is not None else 0,
        dag_version_id=run.created_dag_version_id if run is not None else None,
        bundle_version=run.bundle_version if run is not None else None,
    )


def _refuse_second(session: Session, dag_id: str, *, but: int | None = None) -> None:
    """:raises Conflict: a backfill of the Dag, other than *but*, is not complete."""
    query = select(Backfill.id).where(Backfill.dag_id == dag_id, Backfill.completed_at.is_(None))
    for found in session.scalars(query):
        if found != but:
            raise _second(dag_id, found)


def _second(dag_id: str, backfill_id: int | None) -> Conflict:
    number = f" ({backfill_id})" if backfill_id is not None else ""
    return Conflict(
        f"Cannot backfill {dag_id}",
        found=f"another backfill of it{number} is active, and Airflow runs one at a time",
        remedy="Wait until it is complete, or cancel it on the Dag's Backfills page",
        dag_id=dag_id,
        backfill=backfill_id,
    )


def _unknown(dag_id: str) -> NotFound:
    return NotFound(
        f"Cannot backfill {dag_id}", found="Airflow has no such Dag", remedy="See: pinwheel status"
    )


_WORDS: dict[type[Exception], tuple[type[PinwheelError], str | None, str]] = {
    stock.DagNonPeriodicScheduleException: (
        Refused,
        "its schedule is not periodic, so no dates follow from it",
        "Start single runs: pinwheel trigger {dag_id}",
    ),
    DagRunTypeNotAllowed: (
        Refused,
        "the Dag does not allow backfill runs",
        "Add them to its allowed_run_types and push again",
    ),
    stock.InvalidBackfillDirection: (
        Refused,
        "it has tasks with depends_on_past=True, which can not run backwards",
        "Leave --run-backwards out",
    ),
    stock.InvalidReprocessBehavior: (
        Refused,
        "it has tasks with depends_on_past=True, which need the runs in between",
        "Add --reprocess-behavior completed, or failed",
    ),
    stock.InvalidBackfillDate: (InvalidInput, "the dates are in the future", "Give dates that have passed"),
    stock.InvalidBackfillDateRange: (InvalidInput, None, "Give the earlier date as --from-date"),
    stock.InvalidBackfillConf: (InvalidInput, None, "Correct the configuration"),
    stock.NoBackfillRunsToCreate: (
        InvalidInput,
        "no date of its schedule lies in this range and has passed",
        "Give a longer range; see the schedule of the Dag",
    ),
}
"""Airflow's refusal to ours: the class, what was found (None: Airflow's words), what to do."""


@contextmanager
def _translated(dag_id: str) -> Iterator[None]:
    try:
        yield
    except stock.AlreadyRunningBackfill as error:
        raise _second(dag_id, None) from error
    except DagNotFound as error:
        raise _unknown(dag_id) from error
    except tuple(_WORDS) as error:
        kind, found, remedy = next(words for cls, words in _WORDS.items() if isinstance(error, cls))
        raise kind(
            f"Cannot backfill {dag_id}",
            found=found or str(error).rstrip("."),
            remedy=remedy.format(dag_id=dag_id),
            dag_id=dag_id,
        ) from error
