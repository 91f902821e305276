"""What a check found, said from outside: of a bundle version, of a build of a Dag, or of a digest."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from attrs import asdict, evolve, frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import InvalidInput, NotFound, unknown_dag
from pinwheel.core.event import EventKind
from pinwheel.core.json import Json, JsonObject
from pinwheel.core.rollout.gate import Answer, OfDigest, OfVersion, Subject, Verdict
from pinwheel.core.rollout.state import Place, Slot
from pinwheel.core.rule_request import CheckRequest
from pinwheel.services import once
from pinwheel.services.audit import Told, tell
from pinwheel.services.ports.host import Host
from pinwheel.services.release.stands import place_named, stood_another
from pinwheel.store import builds, dags, rollouts, verdicts

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class CheckSet:
    """A verdict that was noted."""

    id: int
    name: str
    verdict: Answer
    actor: str
    at: datetime
    dag_id: str | None
    build: int | None
    bundle: str | None
    bundle_version: str | None
    digest: str | None
    url: str | None
    reason: str | None
    expires_at: datetime | None
    rollouts: tuple[int, ...]
    """Those on their way that are of what it names, of Dags that whoever asks may see."""


@frozen(kw_only=True)
class _Meant:
    """What a verdict is about."""

    subject: Subject
    dag_id: str | None = None
    build: Build | None = None
    bundle: str | None = None


def set_check(
    host: Host, request: CheckRequest, *, actor: str, sees: once.Sees = once.all_of_them
) -> CheckSet:
    """Note what a check found. Nothing changes a verdict: a newer one of the same check takes its place.

    A version or a digest need not be known yet. A repeat (see :mod:`pinwheel.services.once`) notes nothing
    and gives what the first one gave.

    :raises Conflict: the request id stands for another request.
    :raises InvalidInput: no bundle is named, and there is not exactly one.
    :raises NotFound, Refused: the Dag has no such build, or it did not stand in that version.
    """
    noted = once.Request(
        id=request.request_id,
        actor=actor,
        verb=f"set check {request.name}" + (" of" if request.dag_id is not None else ""),
        dag_ids=(request.dag_id,) if request.dag_id is not None else (),
        values=_values(request),
        sees=sees,
    )
    answer = once.carry_out(host, noted, KEPT, lambda session: _set(host, session, request, actor))
    made = answer.answer
    if not answer.repeated:
        told = {"dag_id": made.dag_id} if made.dag_id is not None else {}
        host.unit.announce([{"kind": EventKind.VERDICT.value, **told}])
    return evolve(made, rollouts=_seen(host, made, sees))


def _values(request: CheckRequest) -> dict[str, Json]:
    at = request.expires_at
    return {
        "verdict": request.verdict.value,
        "bundle": request.bundle,
        "bundle_version": request.bundle_version,
        "build": request.build,
        "digest": request.digest,
        "url": request.url,
        "reason": request.reason,
        "expires_at": at.isoformat() if at is not None else None,
    }


def _set(host: Host, session: Session, request: CheckRequest, actor: str) -> CheckSet:
    now, meant = host.unit.now(), _meant(session, request)
    subject = meant.subject
    verdict = Verdict(
        subject=subject,
        name=request.name,
        answer=request.verdict,
        actor=actor,
        at=now,
        expires_at=request.expires_at,
        reason=request.reason,
    )
    verdict_id = verdicts.add(session, verdict, dag_id=meant.dag_id, url=request.url)
    version = None if isinstance(subject, OfDigest) else subject.version
    digest = subject.digest if isinstance(subject, OfDigest) else None
    made = CheckSet(
        id=verdict_id,
        name=request.name,
        verdict=request.verdict,
        actor=actor,
        at=now,
        dag_id=meant.dag_id,
        build=meant.build.build if meant.build is not None else None,
        bundle=meant.bundle,
        bundle_version=version,
        digest=digest,
        url=request.url,
        reason=request.reason,
        expires_at=request.expires_at,
        rollouts=(),
    )
    build_id = meant.build.id if meant.build is not None else None
    found = rollouts.live_about(session, build_id=build_id, version=version, digest=digest)
    if isinstance(subject, OfVersion):
        # Bundles of one repository have the same versions
        own = dags.of_bundle(session, subject.bundle) if found else {}
        found = [each for each in found if each.dag_id in own]
    rollouts.wake_about(session, now, build_id=build_id, version=version, digest=digest)
    _tell(host, session, made)
    return evolve(made, rollouts=tuple(each.id for each in found))


def _meant(session: Session, request: CheckRequest) -> _Meant:
    if request.digest is not None:
        return _Meant(subject=OfDigest(digest=request.digest))
    if request.dag_id is not None and request.build is not None:
        return _of_build(session, request, request.dag_id, request.build)
    assert request.bundle_version is not None, "as the request requires"
    bundle = request.bundle or _only_bundle(session, request)
    return _Meant(subject=OfVersion(bundle=bundle, version=request.bundle_version), bundle=bundle)


def _of_build(session: Session, request: CheckRequest, dag_id: str, number: int) -> _Meant:
    row = dags.rows(session, [dag_id]).get(dag_id)
    if row is None:
        raise unknown_dag(dag_id)
    placed = builds.placed(session, (), numbered=(dag_id, number))
    build = next(iter(placed.builds.values()), None)
    if build is None:
        raise NotFound(
            request.failed,
            found=f"{dag_id} has no good build {number}",
            remedy=f"See its builds: pinwheel builds {dag_id}",
            dag_id=dag_id,
            build=number,
        )
    ahead = [each for each in rollouts.live_about(session, build_id=build.id) if each.slot is Slot.AHEAD]
    # What is on its way is meant, though the build stands in a newer version by now.
    newest = ahead[0].place.version if ahead else placed.versions[build.id]
    version = request.bundle_version or newest
    if request.bundle_version is not None:
        verb = f"set check {request.name} of"
        _, there = place_named(session, row, version, verb=verb)
        if there != build.id:
            raise stood_another(verb, build, builds.by_ids(session, [there])[there], version)
    place = Place(build_id=build.id, version=version)
    return _Meant(subject=place, dag_id=dag_id, build=build, bundle=row.bundle_name)


def _only_bundle(session: Session, request: CheckRequest) -> str:
    names = dags.bundle_names(session)
    if len(names) != 1:
        raise InvalidInput(
            request.failed,
            found="no bundle is named, and there are several" if names else "there is no bundle yet",
            remedy="Name the bundle that the version is of",
        )
    return names[0]


def _seen(host: Host, made: CheckSet, sees: once.Sees) -> tuple[int, ...]:
    if not made.rollouts:
        return ()
    known = host.unit.run(lambda session: rollouts.by_ids(session, made.rollouts))
    seen = set(sees({each.dag_id for each in known}))
    return tuple(each.id for each in known if each.dag_id in seen)


def _tell(host: Host, session: Session, made: CheckSet) -> None:
    details: dict[str, Json] = {
        "rollout": None,
        "name": made.name,
        "verdict": made.verdict.value,
        "build": made.build,
        "bundle_version": made.bundle_version,
        "digest": made.digest,
        "url": made.url,
    }
    told = Told(
        kind=EventKind.VERDICT,
        actor=made.actor,
        dag_id=made.dag_id,
        bundle_name=made.bundle,
        reason=made.reason,
        details={name: value for name, value in details.items() if value is not None},
        line={"reason": made.reason, **details},
    )
    tell(host, session, [told], now=made.at)


def _write(made: CheckSet) -> Json:
    expires = made.expires_at
    return {
        **asdict(made),
        "at": made.at.isoformat(),
        "expires_at": expires.isoformat() if expires is not None else None,
    }


def _check_1(kept: Json) -> CheckSet:
    one = JsonObject.of(kept)
    expires = one.text_or_none("expires_at")
    return CheckSet(
        id=one.number("id"),
        name=one.text("name"),
        verdict=Answer(one.text("verdict")),
        actor=one.text("actor"),
        at=datetime.fromisoformat(one.text("at")),
        dag_id=one.text_or_none("dag_id"),
        build=one.number_or_none("build"),
        bundle=one.text_or_none("bundle"),
        bundle_version=one.text_or_none("bundle_version"),
        digest=one.text_or_none("digest"),
        url=one.text_or_none("url"),
        reason=one.text_or_none("reason"),
        expires_at=datetime.fromisoformat(expires) if expires is not None else None,
        rollouts=one.numbers("rollouts"),
    )


KEPT: once.Form[CheckSet] = once.Form(version=1, write=_write, readers={1: _check_1})
