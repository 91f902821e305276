"""Where an era's runs execute: a build at a version of its bundle, fixed when the era is set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import NotFound, Refused
from pinwheel.core.json import Json
from pinwheel.core.release.decide import unversioned_remedy
from pinwheel.core.release.rejection import rejection_of
from pinwheel.core.release.stand import Head
from pinwheel.core.request import EraWish, TimelineRequest
from pinwheel.core.runtime import parsed_elsewhere
from pinwheel.services.ports.host import Host
from pinwheel.services.release import keeping, whole
from pinwheel.services.release.projecting import location_for_runs
from pinwheel.services.release.stands import place_named, stood_another
from pinwheel.services.timeline.known import Known
from pinwheel.services.timeline.quotes import OF_ITS_FILE, Quotes
from pinwheel.store import builds, rejections, stands
from pinwheel.store.trial_parses import TrialParse

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SETTING = "set an era of"
SHORT = 12
"""So many characters of a version name it in a sentence."""


@frozen(kw_only=True)
class Standpoint:
    """A build at a version in which it stood, and what is to be said of it."""

    build: Build
    version: str
    seq: int
    """Of the version, among the heads of its bundle."""
    warnings: tuple[str, ...] = ()


def placed(host: Host, session: Session, known: Known, wish: EraWish, *, reason: str | None) -> Standpoint:
    """The place that an era asks for.

    :raises NotFound: the Dag has no such build, or no head of its bundle was that version.
    :raises Refused: runs can not execute it, or it is rejected and nobody said why it is right.
    """
    build, head = _stood(session, known, wish)
    for name in {known.row.bundle_name, build.bundle_name}:
        if not host.deployment.is_versioned(name):
            raise Refused(
                wish.failed,
                found=f"bundle {name!r} keeps no versions, so older code can not be fetched again",
                remedy=unversioned_remedy(name),
                problem="unversioned-bundle",
                dag_id=known.dag_id,
                bundle=name,
            )
    if not build.versioned:
        raise Refused(
            _on(wish, build),
            found="the Dag sets disable_bundle_versioning=True there, so its runs execute whatever is newest",
            remedy="Choose a build that does not",
            problem="unversioned-bundle",
            dag_id=known.dag_id,
            build=build.build,
        )
    keeping.require(host, session, build, verb=SETTING)
    location_for_runs(host, session, known.row, evolve(build, bundle_version=head.version))
    whole.require_its_data(host, session, build, head.version)
    warnings = _rejected(session, wish, build, head, reason)
    return Standpoint(build=build, version=head.version, seq=head.seq, warnings=warnings)


def _stood(session: Session, known: Known, wish: EraWish) -> tuple[Build, Head]:
    build = builds.by_number(session, known.dag_id, wish.build) if wish.build is not None else None
    if wish.build is not None and build is None:
        raise NotFound(
            f"{wish.failed} on build {wish.build}",
            found=f"{known.dag_id} has no good build of that number",
            remedy=f"See its builds: pinwheel builds {known.dag_id}",
            dag_id=known.dag_id,
            build=wish.build,
        )
    if wish.bundle_version is not None:
        at, stood = place_named(session, known.row, wish.bundle_version, verb=SETTING)
        there = builds.by_ids(session, [stood])[stood]
        if build is not None and build.id != stood:
            raise stood_another(SETTING, build, there, at.version)
        return there, at
    assert build is not None
    head = stands.newest_heads(session, [build.id]).get(build.id)
    if head is None:
        raise Refused(
            _on(wish, build),
            found="it was in no version that was ever the newest of its bundle while Pinwheel looked",
            remedy="Choose a build that was, or let that code be the newest once: push it again",
            problem="build-off-head",
            dag_id=known.dag_id,
            build=build.build,
        )
    return build, head


def _rejected(
    session: Session, wish: EraWish, build: Build, head: Head, reason: str | None
) -> tuple[str, ...]:
    rejection = rejection_of(rejections.of_dag(session, build.dag_id), build, head.seq)
    if rejection is None:
        return ()
    if not reason:
        raise Refused(
            _on(wish, build),
            found=rejection.said(),
            remedy="If it is right for these dates all the same, say why with a reason (--reason): it stays "
            "rejected for new releases",
            problem="build-rejected",
            dag_id=build.dag_id,
            build=build.build,
            rejected_by=rejection.actor,
        )
    return (f"build {build.build} is rejected for new releases: {rejection.said()}",)


def judged(
    session: Session,
    asked: TimelineRequest,
    places: Sequence[tuple[EraWish, Standpoint]],
    answers: Mapping[tuple[int, str], TrialParse],
    *,
    processors: Sequence[str],
    runtimes: Mapping[str, Mapping[str, Json]],
    quotes: Quotes,
) -> tuple[str, ...]:
    """What is to be said of builds that a Dag processor was asked to look at; *quotes* has what it said.

    :raises Refused: one of them can not run there, or nobody could look.
    """
    said: list[str] = []
    for wish, place in places:
        answer = answers.get((place.build.id, place.version))
        said += _one(session, asked, wish, place, answer, processors, runtimes, quotes)
    return tuple(dict.fromkeys(said))


def _one(
    session: Session,
    asked: TimelineRequest,
    wish: EraWish,
    place: Standpoint,
    answer: TrialParse | None,
    processors: Sequence[str],
    runtimes: Mapping[str, Mapping[str, Json]],
    quotes: Quotes,
) -> list[str]:
    build, short = place.build, place.version[:SHORT]
    named = f"build {build.build} ({short})"
    if answer is None or answer.ok is None:
        found = (
            "no Dag processor answered in time whether its file can still be imported"
            if processors
            else "no Dag processor is alive, so nobody can tell whether its file can still be imported"
        )
        if not asked.unchecked:
            raise Refused(
                _on(wish, build),
                found=found,
                remedy="Repeat while one runs, or set it unchecked (--unchecked)",
                problem="not-checked",
                dag_id=asked.dag_id,
                build=build.build,
            )
        return [f"{named} was not looked at: {found}"]
    if not answer.ok:
        error = quotes.of(session, build, answer)
        if answer.problem == OF_ITS_FILE and asked.force:
            warning = f"{named} does not import here"
            quotes.add(warning, error)
            return [warning]
        found = _FOUND[answer.problem or OF_ITS_FILE].format(short=short, bundle=build.bundle_name)
        raise Refused(
            _on(wish, build),
            found=found if error is None else f"{found}: {error}",
            remedy=_REMEDY[answer.problem or OF_ITS_FILE].format(dag_id=asked.dag_id),
            problem=answer.problem,
            dag_id=asked.dag_id,
            build=build.build,
        )
    said = []
    if answer.digest is not None and answer.digest != build.serialized_digest:
        said.append(
            f"{named} imports here and gives another Dag than when the build was made: what it reads outside "
            "of its bundle is another"
        )
    if answer.runtime and build.runtime and answer.runtime != build.runtime:
        said.append(parsed_elsewhere(named, runtimes.get(build.runtime), runtimes.get(answer.runtime)))
    return said


_FOUND = {
    "version-not-fetchable": "its commit {short} is neither here, nor in the mirror, nor at the source "
    "(force-pushed away?)",
    "bundle-ignores-version": "the class of bundle {bundle!r} takes a version that does not exist for its "
    "newest code, so a run that is not bound would execute that",
    OF_ITS_FILE: "its file can not be imported here",
}
_REMEDY = {
    "version-not-fetchable": "Choose --bundle-version or another build: pinwheel builds {dag_id}",
    "bundle-ignores-version": "Give the bundle a class that refuses what it does not know: "
    "pinwheel.bundles.GitBundle or FolderBundle",
    OF_ITS_FILE: "Give the Dag processor and the workers what it needs, choose another build, or set "
    "it all the same (--force)",
}


def _on(wish: EraWish, build: Build) -> str:
    return f"{wish.failed} on build {build.build}"
