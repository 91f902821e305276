"""Was this request done before? A request with an id is carried out once, whoever repeats it how often.

The id counts for its actor: the same one of somebody else is another. The same id with another verb, other
targets or another value is a conflict, never an answer. What failed left nothing and can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar
from uuid import uuid4

from attrs import evolve, frozen

from pinwheel.core.digest import digest_of
from pinwheel.core.errors import Conflict, spoken
from pinwheel.core.json import Json, JsonObject
from pinwheel.core.records import AnsweredRequest
from pinwheel.core.selector import Selector
from pinwheel.services.ports.host import Host
from pinwheel.store import requests

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

T = TypeVar("T")
Sees = Callable[[Collection[str]], Collection[str]]

KEPT = timedelta(days=7)
"""Answers are kept at least this long; after that the same id may be a new request."""
NAMED = 5
"""So many Dags are named."""


def all_of_them(dag_ids: Collection[str]) -> Collection[str]:
    """Somebody who may see every Dag."""
    return dag_ids


@frozen(kw_only=True)
class Request:
    """Who asks for what. A repeat is one that has the same verb, targets and values.

    ``id`` is what the caller chose (:func:`~pinwheel.core.request_values.is_request_id`); None: nobody will
    repeat it, but for a transaction whose commit was not confirmed.
    ``selector`` is what the Dags were selected by, where not by their ids: then the same selector is the
    same request, though it finds other Dags by now.
    ``sees`` tells which of some Dags the caller may see: nothing else is told of an earlier request.
    """

    id: str | None
    actor: str
    verb: str
    dag_ids: tuple[str, ...]
    values: Mapping[str, Json]
    selector: Selector | None = None
    sees: Sees = all_of_them

    @property
    def fingerprint(self) -> str:
        """Equal for a request and its repeats."""
        if self.selector is None or self.selector.names_only:
            targets: Json = sorted(set(self.dag_ids))
        else:
            s = self.selector
            targets = [sorted(set(s.ids)), sorted(set(s.globs)), sorted(set(s.tags)), s.bundle, s.everything]
        return digest_of([self.verb, targets, dict(self.values)])


@frozen(kw_only=True)
class Form(Generic[T]):
    """How answers of one kind are kept: as JSON of a version, read back by the reader of that version.

    Whoever changes what is written counts the version up and leaves the readers of those before.
    """

    version: int
    write: Callable[[T], Json]
    readers: Mapping[int, Callable[[Json], T]]


@frozen
class Done(Generic[T]):
    """An answer, and whether it is that of an earlier request."""

    answer: T
    repeated: bool


def carry_out(host: Host, request: Request, form: Form[T], work: Callable[[Session], T]) -> Done[T]:
    """Run *work(session)* in one transaction and keep its answer, or give the one that was kept.

    Of two equal requests at once one waits and gets the answer of the other. A commit whose reply was lost
    is tried again and finds itself done.

    :raises Conflict: the id stands for another request.
    """
    # Tells an attempt of this call from the same request of another.
    call = uuid4().hex
    key = _key(request) or call
    attempts = 0

    def unit(session: Session) -> Done[T]:
        nonlocal attempts
        attempts += 1
        # Nobody else has the key of a request without an id, but for an earlier attempt.
        contested = request.id is not None or attempts > 1
        earlier = _claim(host, session, request, key) if contested else None
        if earlier is not None and earlier.answer is not None:
            return Done(_read(request, form, earlier), repeated=_call(earlier) != call)
        answer = work(session)
        kept: Json = {"version": form.version, "call": call, "answer": form.write(answer)}
        if contested:
            requests.answer(session, key, kept)
        else:
            requests.add(session, key, evolve(_noted(host, request), answer=kept))
        return Done(answer, repeated=False)

    return host.unit.run(unit)


def begin(host: Host, request: Request, form: Form[T]) -> Done[T] | datetime | None:
    """For work that commits by itself before :func:`carry_out` keeps its answer: note that it begins.

    None: go on, and :func:`give_up` if it fails. A :class:`Done`: it was done before. An instant: the same
    request began then, and nobody knows what became of it; the caller looks whether its work is there.

    :raises Conflict: the id stands for another request.
    """
    key = _key(request)
    if key is None:
        return None

    def unit(session: Session) -> Done[T] | datetime | None:
        earlier = _claim(host, session, request, key)
        if earlier is None:
            return None
        return earlier.at if earlier.answer is None else Done(_read(request, form, earlier), repeated=True)

    return host.unit.run(unit)


def give_up(host: Host, request: Request) -> None:
    """The work of a request that began failed: it may be repeated as if it had never been made."""
    key = _key(request)
    if key is not None:
        host.unit.run(lambda session: requests.forget_unanswered(session, key))


def _key(request: Request) -> str | None:
    return None if request.id is None else digest_of([request.actor, request.id])


def _noted(host: Host, request: Request) -> AnsweredRequest:
    return AnsweredRequest(
        actor=request.actor,
        fingerprint=request.fingerprint,
        verb=request.verb,
        dag_ids=sorted(set(request.dag_ids)),
        answer=None,
        at=host.unit.now(),
    )


def _claim(host: Host, session: Session, request: Request, key: str) -> AnsweredRequest | None:
    """Note the request; or the one that stands under its key, which is the same."""
    if requests.claim(session, key, _noted(host, request)):
        return None
    earlier = requests.one(session, key)
    if earlier is None or earlier.fingerprint == request.fingerprint:
        return earlier
    raise _another(request, earlier)


def _another(request: Request, earlier: AnsweredRequest) -> Conflict:
    seen = sorted(request.sees(earlier.dag_ids))
    hidden = len(earlier.dag_ids) > len(seen)
    told = [*seen[:NAMED], *([f"{len(seen) - NAMED} more"] if seen[NAMED:] else [])]
    at = earlier.at.isoformat()
    of = ", ".join([*told, *(["Dags that you may not see"] if hidden else [])])
    return Conflict(
        _failed(request),
        found=f"the request id {request.id!r} stands for another request of {earlier.actor}, made at {at}: "
        f"{spoken(earlier.verb)} {of}".rstrip(),
        remedy="Give a new request an id of its own; a repeat has the verb, Dags and values of the first",
        request_id=request.id,
        first={"verb": earlier.verb, "dag_ids": seen, "actor": earlier.actor, "at": at},
    )


def _read(request: Request, form: Form[T], earlier: AnsweredRequest) -> T:
    kept = JsonObject.of(earlier.answer)
    reader = form.readers.get(kept.number("version"))
    if reader is None:
        raise Conflict(
            _failed(request),
            found="it was carried out before, by a version of Pinwheel whose answers this one does not know",
            remedy="See what was done: pinwheel events",
            request_id=request.id,
        )
    return reader(kept["answer"])


def _call(earlier: AnsweredRequest) -> str:
    return JsonObject.of(earlier.answer).text("call")


def _failed(request: Request) -> str:
    dag_ids = sorted(set(request.dag_ids))
    of = dag_ids[0] if len(dag_ids) == 1 else f"{len(dag_ids)} Dags"
    return f"Cannot {spoken(request.verb)} {of if dag_ids else ''}".rstrip()
