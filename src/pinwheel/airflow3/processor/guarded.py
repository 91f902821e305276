"""Boundaries: what one override of Airflow's Dag processor raises never ends its loop.

Airflow calls most methods of its manager outside of any ``try`` (``dag_processing/manager.py``,
``_run_parsing_loop``): an exception there ends the process, for all bundles. A boundary records what it
caught where users look, and hands out a stated default; it never takes SystemExit or KeyboardInterrupt.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import structlog
from attrs import frozen
from sqlalchemy.exc import SQLAlchemyError

from pinwheel.core.errors import PinwheelError
from pinwheel.core.text import without_numbers
from pinwheel.services.ingest import faults
from pinwheel.services.ports.host import Host
from pinwheel.store.faults import listed
from pinwheel.store.refusals import said as said_by_database

log = structlog.get_logger(__name__)

WRITE_AGAIN = 60.0
"""Seconds after which a text that changed in its numbers only is written down anew."""
TELL_AGAIN = 3600.0
"""Seconds after which what comes and goes may make another event."""
_MOST_REMEMBERED = 1000

Method = TypeVar("Method", bound=Callable[..., Any])


@frozen
class _Told:
    said: str
    version: str | None
    at: float

    def is_like(self, said: str, version: str | None) -> bool:
        return self.version == version and without_numbers(self.said) == without_numbers(said)


class Boundary:
    """Writes down what was caught, once per text and bundle version, and takes it back when it works.

    Texts that differ in numbers only (times, process ids, addresses) count as one. What comes and goes is
    shown while it is there, but makes one event an hour.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self._told: dict[tuple[str, str], _Told] = {}
        self._others: set[tuple[str, str]] = set()
        self._events: dict[tuple[str, str, str, str | None], float] = {}

    def load(self) -> None:
        """Learn of the faults that other processes left, so that what works here is cleared.

        A fault of this one that another took back, since it works there, is written down again when it is
        caught next.
        """
        noted = {(fault.bundle_name, fault.place) for fault in self.host.unit.run(listed)}
        self._told = {key: told for key, told in self._told.items() if key in noted}
        self._others = noted - self._told.keys()

    def caught(
        self,
        place: str,
        error: BaseException | str,
        *,
        bundle_name: str = faults.PROCESSOR,
        version: str | None = None,
        session: Any = None,
    ) -> None:
        """Record an error. Never raises; *session* is Airflow's own, whose transaction it has spoiled."""
        if session is not None:
            _rolled_back(session)
        said = error if isinstance(error, str) else describe(error)
        now = time.monotonic()
        known = self._told.get((bundle_name, place))
        again = known is not None and known.is_like(said, version)
        if known is not None and again and (known.said == said or now - known.at < WRITE_AGAIN):
            return
        if not again:
            log.error(
                "Caught in the Dag processor's loop; it goes on",
                place=place,
                bundle=bundle_name,
                version=version,
                exc_info=error if isinstance(error, BaseException) else None,
            )
        event = (bundle_name, place, without_numbers(said), version)
        tell = now - self._events.get(event, float("-inf")) >= TELL_AGAIN
        try:
            faults.record(
                self.host, bundle_name=bundle_name, place=place, error=said, version=version, tell=tell
            )
        except Exception:
            # Not remembered as told: it is written down when the database answers again.
            log.exception("A fault could not be written down", place=place, bundle=bundle_name)
        else:
            self._told[(bundle_name, place)] = _Told(said, version, now)
            if tell:
                if len(self._events) >= _MOST_REMEMBERED:
                    del self._events[min(self._events, key=self._events.__getitem__)]
                self._events[event] = now

    def expect(self, place: str, *, bundle_name: str) -> None:
        """Take note of a fault that was written down elsewhere, so that :meth:`worked` takes it back."""
        self._told.pop((bundle_name, place), None)
        self._others.add((bundle_name, place))

    def worked(self, place: str, *, bundle_name: str = faults.PROCESSOR) -> None:
        """Forget what was caught at a place. Costs nothing where nothing was; never raises."""
        key = (bundle_name, place)
        if key not in self._told and key not in self._others:
            return
        try:
            faults.clear(self.host, bundle_name=bundle_name, places=[place])
        except Exception:
            log.exception("A fault could not be taken back", place=place, bundle=bundle_name)
        else:
            self._told.pop(key, None)
            self._others.discard(key)


def describe(error: BaseException) -> str:
    """An error in words: one of ours says all by itself, of another the class tells most.

    Of one of the database without the statement and the values, which may be anybody's.
    """
    if isinstance(error, PinwheelError):
        return str(error)
    if isinstance(error, SQLAlchemyError):
        return said_by_database(error)
    return f"{type(error).__name__}: {error}"


def guarded(
    default: Callable[..., Any], *, bundle: Callable[..., str] | None = None
) -> Callable[[Method], Method]:
    """Put a boundary around an override of a manager that has one as ``boundary``.

    *default* takes the override's arguments and gives what is handed to Airflow instead; *bundle* takes them
    and names the bundle that is concerned. A session among the keyword arguments is rolled back: Airflow goes
    on to use it (``AIRFLOW_SEAMS`` A8: else each later statement in it fails).
    """

    def decorate(method: Method) -> Method:
        place = method.__name__.lstrip("_")

        @wraps(method)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            name = faults.PROCESSOR
            try:
                name = bundle(*args, **kwargs) if bundle is not None else name
                result = call.__wrapped__(self, *args, **kwargs)
            except Exception as error:
                self.boundary.caught(
                    place,
                    error,
                    bundle_name=name,
                    version=self.version_of(name),
                    session=kwargs.get("session"),
                )
                return default(self, *args, **kwargs)
            self.boundary.worked(place, bundle_name=name)
            return result

        call.guarded = True  # type: ignore[attr-defined]
        return call  # type: ignore[return-value]

    return decorate


class GuardedSelector(selectors.DefaultSelector):
    """The selector of parsers' sockets; a handler that raises counts as one whose parser hung up.

    ``_service_processor_sockets`` takes BrokenPipeError and ConnectionResetError so (3.3.2 and 3.4.0b2), but
    a Dag file can write to its parser's socket what no decoder takes.
    """

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if isinstance(data, tuple) and len(data) == 2:
            handler, on_close = data
            data = (self._within(handler), on_close)
        return super().register(fileobj, events, data)

    def _within(self, handler: Callable[[Any], bool]) -> Callable[[Any], bool]:
        def handle(fileobj: Any) -> bool:
            try:
                return handler(fileobj)
            except (BrokenPipeError, ConnectionResetError):
                return False
            except Exception:
                # The parse ends without a result, and is shown as broken: that is where users look.
                log.exception("A parser sent what could not be read; its parse counts as ended")
                return False

        return handle


def _rolled_back(session: Any) -> None:
    try:
        session.rollback()
    except Exception:
        log.exception("Airflow's session could not be rolled back")
