"""One transaction on Airflow's own session, tried again where the database may be of another mind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import structlog
from airflow.sdk import timezone
from airflow.utils.retries import run_with_db_retries
from airflow.utils.session import create_session
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError
from tenacity import retry_if_exception

from pinwheel.core.errors import HostError
from pinwheel.services.ports.unit import Unit
from pinwheel.store.refusals import is_hopeless

T = TypeVar("T")
log = structlog.get_logger(__name__)


class AirflowUnit:
    """Implements :class:`pinwheel.services.ports.unit.Unit`.

    With a session given at construction, what is run joins its transaction instead.
    """

    def __init__(self, session: Session | None = None) -> None:
        self._session = session

    def run(self, work: Callable[[Session], T]) -> T:
        if self._session is not None:
            return work(self._session)

        def once() -> T:
            with create_session() as session:
                return work(session)

        return _with_retries(once)

    def rehearse(self, work: Callable[[Unit], T]) -> T:
        def once() -> T:
            with create_session() as session:
                try:
                    return work(_Rehearsal(session))
                finally:
                    session.rollback()

        return _with_retries(once)

    def now(self) -> datetime:
        now: datetime = timezone.utcnow()
        return now

    def announce(self, events: Sequence[Mapping[str, str]]) -> None:
        for event in events:
            log.info("pinwheel change", **event)


class _Rehearsal(AirflowUnit):
    """In a transaction that will be rolled back, so there is nothing to announce."""

    def announce(self, events: Sequence[Mapping[str, str]]) -> None:
        return


def _with_retries(once: Callable[[], T]) -> T:
    """What *once* gives, tried again where the database may be of another mind a moment later."""
    for attempt in run_with_db_retries().copy(retry=retry_if_exception(_is_worth_a_retry)):
        with attempt:
            return once()
    raise HostError("Cannot reach the metadata database", remedy="See the log and try again")


def _is_worth_a_retry(error: BaseException) -> bool:
    return isinstance(error, (DBAPIError, StaleDataError)) and not is_hopeless(error)
