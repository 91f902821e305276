"""What a run was bound to by whoever asked for it, as it is answered, kept for repeats and told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import asdict, evolve, frozen

from pinwheel.core.event import EventKind
from pinwheel.core.json import Json, JsonObject
from pinwheel.services import once
from pinwheel.services.audit import Told, tell
from pinwheel.services.ports.host import Host

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class Bound:
    """A run and the build that it is bound to. ``release`` is None for a build that was never released."""

    dag_id: str
    run_id: str
    build: int
    release: int | None
    bundle_version: str | None


@frozen(kw_only=True)
class Cleared(Bound):
    """A run that was cleared, and the build that it runs again on."""

    cleared: int
    """So many task instances run again."""
    changed: bool = True
    """False: nothing in the run fits, so it stays as it was, on what it was bound to."""


def _bound_1(kept: Json) -> Bound:
    one = JsonObject.of(kept)
    return Bound(
        dag_id=one.text("dag_id"),
        run_id=one.text("run_id"),
        build=one.number("build"),
        release=one.number_or_none("release"),
        bundle_version=one.text_or_none("bundle_version"),
    )


def _cleared_1(kept: Json) -> list[Cleared]:
    return [
        Cleared(**asdict(_bound_1(one.fields)), cleared=one.number("cleared"))
        for one in JsonObject.all_of(kept)
    ]


def _cleared_2(kept: Json) -> list[Cleared]:
    runs = zip(_cleared_1(kept), JsonObject.all_of(kept), strict=True)
    return [evolve(run, changed=one.flag("changed")) for run, one in runs]


BOUND: once.Form[Bound] = once.Form(version=1, write=asdict, readers={1: _bound_1})


CLEARED: once.Form[list[Cleared]] = once.Form(
    version=2,
    write=lambda cleared: [asdict(run) for run in cleared],
    readers={1: _cleared_1, 2: _cleared_2},
)


def record(
    host: Host,
    session: Session,
    kind: EventKind,
    bound: Bound,
    *,
    actor: str,
    reason: str | None,
    **more: Json,
) -> None:
    details = {
        "run_id": bound.run_id,
        "build": bound.build,
        "release": bound.release,
        "bundle_version": bound.bundle_version,
        **more,
    }
    told = Told(kind=kind, actor=actor, dag_id=bound.dag_id, reason=reason, details=details)
    tell(host, session, [told], now=host.unit.now())
