"""Rollbacks of Dags with timelines: an era over the present would leave one without any effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import Refused
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.decide import Lift, Reject, Release, SetTrack
from pinwheel.core.request import ChangeRequest
from pinwheel.core.run.mark import is_marked
from pinwheel.core.run.timeline import Era, Revision
from pinwheel.services.ports.host import Host
from pinwheel.services.release.outcome import Act, Outcome
from pinwheel.services.release.revise import revise
from pinwheel.services.run.rerun import Eras
from pinwheel.store import stands, timelines
from pinwheel.store.timelines import Covering

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

KEEP, REPLACE = "keep", "replace"


@frozen(kw_only=True)
class Timelines:
    """What is said by the timelines of Dags that are rolled back; Dags without eras are left out."""

    newest: Mapping[str, Revision]
    present: Mapping[str, Covering]
    """The era that holds the present."""


NONE = Timelines(newest={}, present={})


def load(host: Host, session: Session, rows: Mapping[str, ManagedDag]) -> Timelines:
    """Read once for all steps of a rollback. Nothing is read of Dags whose runs are not judged by date."""
    dag_ids = [dag_id for dag_id, row in rows.items() if is_marked(row.row_version)]
    newest = {dag_id: found for dag_id, found in timelines.newest(session, dag_ids).items() if found.eras}
    if not newest:
        return NONE
    return Timelines(newest=newest, present=timelines.covering(session, host.unit.now(), newest))


def eras_of(asked: ChangeRequest, dated: Timelines) -> dict[str, Eras]:
    """What their eras mean for the failed runs of these Dags."""
    replaced = dated.present if asked.eras == REPLACE else {}
    return {
        dag_id: Eras(every=found.eras, replaced=replaced[dag_id].era if dag_id in replaced else None)
        for dag_id, found in dated.newest.items()
    }


def require_choice(asked: ChangeRequest, dag_id: str, found: Covering) -> None:
    """:raises Refused: an era holds the present, and nobody said what is to become of it."""
    if asked.eras is not None:
        return
    era = found.era
    raise Refused(
        f"Cannot roll back {dag_id}",
        found=f"its timeline says that data of {era.words}, the present among it, is for build {era.build} "
        f"(set by {found.actor}), so new runs would stay on that",
        remedy="Say --eras replace to let that era be for the build that is rolled back to, or --eras keep "
        "to change the other dates only",
        problem="rollback-has-no-effect",
        dag_id=dag_id,
        build=era.build,
    )


def plan(
    asked: ChangeRequest, dated: Timelines, acts: Sequence[Act], outcomes: Sequence[Outcome]
) -> list[Outcome]:
    """The outcomes with what becomes of eras: of the one over the present, and of others that stay."""
    told = []
    for act, outcome in zip(acts, outcomes, strict=True):
        dag_id = act.state.dag_id
        eras = dated.newest[dag_id].eras if dag_id in dated.newest else ()
        told.append(
            evolve(
                outcome,
                warnings=(
                    *outcome.warnings,
                    *_of_present(asked, dated.present.get(dag_id), outcome),
                    *_that_stay(act, eras, dated.present.get(dag_id)),
                ),
            )
        )
    return told


def carry_out(
    host: Host,
    session: Session,
    asked: ChangeRequest,
    dated: Timelines,
    acts: Sequence[Act],
    outcomes: Sequence[Outcome],
) -> list[Outcome]:
    """Replace the eras over the present, where that was asked; the outcomes as :func:`plan` tells them."""
    told = plan(asked, dated, acts, outcomes)
    if asked.eras != REPLACE:
        return told
    for act in acts:
        dag_id = act.state.dag_id
        build, version = _target(act)
        if dag_id not in dated.present or build is None:
            continue
        version = version or stands.newest_versions(session, [build.id])[build.id]
        revision = dated.newest[dag_id]
        eras = _replaced(revision.eras, dated.present[dag_id].era, build, version, revision.number + 1)
        if eras != revision.eras:
            revise(
                host,
                session,
                dag_id,
                eras,
                bundle_name=act.dag.bundle_name,
                verb="set",
                actor=act.actor,
                reason=act.reason,
                request_id=asked.request_id,
            )
    return told


def _target(act: Act) -> tuple[Build | None, str | None]:
    """The build that new runs are on afterwards, and the version, where one was chosen."""
    release = act.decision.release
    return (release.build, release.version) if release is not None else (act.state.active_build, None)


def _replaced(
    eras: Sequence[Era], present: Era, build: Build, version: str, revision: int
) -> tuple[Era, ...]:
    if (present.build_id, present.bundle_version) == (build.id, version):
        return tuple(eras)
    new = evolve(
        present,
        build_id=build.id,
        build=build.build,
        bundle_version=version,
        runtime=None,
        since_revision=revision,
    )
    return tuple(new if era == present else era for era in eras)


def _of_present(asked: ChangeRequest, found: Covering | None, outcome: Outcome) -> tuple[str, ...]:
    if found is None:
        return ()
    era = found.era
    if asked.eras == REPLACE:
        return (
            f"data of {era.words} is for build {outcome.build} from now on, no longer for {era.build}",
            f"build {outcome.build} was not looked at: no Dag processor was asked whether it can still be "
            "imported",
        )
    return (f"data of {era.words}, the present among it, stays on build {era.build}",)


def _that_stay(act: Act, eras: Sequence[Era], present: Covering | None) -> tuple[str, ...]:
    """Other eras of the build that is rejected now: its logic may be right for their dates."""
    rejected: set[int] = set()
    for step in act.decision.steps:
        match step:
            case Reject():
                rejected.add(step.build.id)
            case SetTrack() | Lift() | Release():
                pass
    return tuple(
        f"data of {era.words} stays on build {era.build}, which is rejected for new releases"
        for era in eras
        if era.build_id in rejected and (present is None or era != present.era)
    )
