"""Releases: what may follow what. Values in, a decision out.

A :class:`DagState` is what is known of one Dag, a :class:`Command` what somebody asks, and
:func:`decide` answers with a :class:`Decision`: the steps to carry out, in order, or a refusal that is
raised as an error with its reason. ``pinwheel … --plan``, the API and the services read the same decision.
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from attrs import field, frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, Refused, spoken
from pinwheel.core.release.newer import is_newer
from pinwheel.core.release.rejection import Rejection
from pinwheel.core.release.stand import Head
from pinwheel.core.release.state import DagState, Kind, Track
from pinwheel.core.release.why_held import waits


class Verb(StrEnum):
    PROMOTE = "promote"
    PIN = "pin"
    UNPIN = "unpin"
    ROLLBACK = "rollback"
    ARRIVE = "arrive"
    """A build was registered as the newest one."""
    RETIRE = "retire"
    REJECT = "reject"
    LIFT = "lift"
    """Take a rejection back."""


@frozen(kw_only=True)
class Command:
    """What is asked. ``build`` is the build looked up for the number in the request, if one was given."""

    verb: Verb
    build: Build | None = None
    at: Head | None = None
    """The version to take the build from, one in which it stood; None: the newest."""
    reason: str | None = None
    """What releases a rejected build on purpose."""
    to_blame: bool = True
    """Of a rollback: what is rolled back is at fault, and rejected."""
    expected_release: int | None = None
    rewritten: bool = False
    """The build is one that was written anew (an unstable Dag), not a new number."""
    previous_build: Build | None = None
    """For a rollback without a target: the build of the release before that released another one."""


@frozen(kw_only=True)
class SetTrack:
    """Pin the Dag, or return it to its policy."""

    track: Track


@frozen(kw_only=True)
class Release:
    """Make ``build`` the one that new runs use."""

    build: Build
    kind: Kind
    version: str | None = None
    """The bundle version that it is taken from; None: the newest in which it stands."""
    replaces_active: bool = False
    """Keep the active release's number: it was automatic, unused, and of an unstable Dag."""


@frozen(kw_only=True)
class Reject:
    """Never release ``build`` by itself again; of a Dag that differs at each parse none of its inputs."""

    build: Build
    instead: Build | None = None
    """What is released in its place."""
    first_seq: int | None = None
    last_seq: int | None = None
    """Only in these heads of its bundle; None: wherever it stands."""
    after: str | None = field(default=None, eq=False)
    """To tell of some heads: the version before the first of them; None: there is one of them only."""
    until: str | None = field(default=None, eq=False)
    """And that of the last."""

    @property
    def inputs_digest(self) -> str | None:
        """Of these inputs all builds are rejected; None: ``build`` alone is."""
        differs = self.build.unstable or not self.build.pure
        inputs = self.build.inputs_digest
        # Of what Airflow held before Pinwheel came nobody knows the inputs. And where one parse of the same
        # inputs is trusted in place of another, it is not the inputs that are at fault.
        if self.first_seq is not None or not differs or self.build.adopted:
            return None
        if self.instead is not None and self.instead.inputs_digest == inputs:
            return None
        return inputs


@frozen(kw_only=True)
class Lift:
    """Take back all rejections that hold for one build."""

    rejections: tuple[Rejection, ...]


Step = SetTrack | Reject | Lift | Release
"""All that a decision can consist of. Whoever reads steps matches each kind, so that none is passed over."""


@frozen(kw_only=True)
class Decision:
    """Steps in order (none: nothing to do), at most one of a kind, and the sentence that says why."""

    steps: tuple[Step, ...] = field()
    reason: str

    @steps.validator
    def _one_of_a_kind(self, _: object, steps: tuple[Step, ...]) -> None:
        kinds = [type(step).__name__ for step in steps]
        if len(set(kinds)) != len(kinds):
            raise ValueError(f"a decision has two steps of one kind: {', '.join(kinds)}")

    @property
    def release(self) -> Release | None:
        found = None
        for step in self.steps:
            match step:
                case Release():
                    found = step
                case SetTrack() | Reject() | Lift():
                    pass
                case _:
                    assert_never(step)
        return found

    @property
    def changes(self) -> bool:
        return bool(self.steps)


def decide(state: DagState, command: Command) -> Decision:
    """Say which steps *command* takes on a Dag in *state*.

    :raises Conflict: ``expected_release`` is not the active release.
    :raises Refused: the Dag can not be held (no versions) or the step would go the wrong way.
    :raises NotFound: there is no build to release or to go back to.
    """
    if command.expected_release is not None and command.expected_release != state.active_release:
        raise Conflict(
            f"Cannot {spoken(command.verb)} {state.dag_id}",
            found=f"its active release is {state.active_release}, not {command.expected_release}",
            remedy=f"Look again (pinwheel releases {state.dag_id}) and repeat with the number you see",
            dag_id=state.dag_id,
            expected_release=command.expected_release,
            active_release=state.active_release,
        )
    if command.verb not in (Verb.ARRIVE, Verb.RETIRE):
        _require_versions(state, command)
    return _DECIDERS[command.verb](state, command)


def freed(state: DagState, build: Build) -> Lift:
    """What frees a build, in all versions."""
    own = (each for each in state.rejections if each.covers(build) or each.is_of_versions_of(build))
    return Lift(rejections=tuple(own))


def _require_versions(state: DagState, command: Command) -> None:
    if not state.versioned:
        raise Refused(
            f"Cannot {spoken(command.verb)} {state.dag_id}",
            found=f"its bundle {state.bundle_name!r} keeps no versions, so older code can not come back",
            remedy=unversioned_remedy(state.bundle_name),
            dag_id=state.dag_id,
            bundle=state.bundle_name,
        )
    target = command.build or state.active_build
    if target is not None and not target.versioned:
        raise Refused(
            f"Cannot {spoken(command.verb)} {state.dag_id}",
            found="the Dag sets disable_bundle_versioning=True, so its runs execute whatever is newest",
            remedy="Remove disable_bundle_versioning from the Dag (and from [dag_processor]) and push again",
            dag_id=state.dag_id,
        )


def unversioned_remedy(bundle_name: str) -> str:
    """The two lines that turn an unversioned bundle into one that can be held."""
    return (
        f"In [dag_processor] dag_bundle_config_list set for {bundle_name!r}: "
        '"classpath": "pinwheel.bundles.FolderBundle", "kwargs": {"path": "<the same folder>"}'
    )


def _arrive(state: DagState, command: Command) -> Decision:
    build = _given(state, command)
    same = not state.retired and state.active_build is not None and build.build == state.active_build.build
    if same and not command.rewritten:
        return Decision(steps=(), reason=f"build {build.build} is already active")
    if state.track is Track.PINNED:
        return Decision(steps=(), reason=f"held: {state.dag_id} is pinned")
    rejection = state.rejection_of(build)
    # An active build was released on purpose, whatever is said of it elsewhere; but not in these versions.
    if rejection is not None and (not same or rejection.of_versions):
        return Decision(steps=(), reason=f"held: build {build.build} is rejected: {rejection.said()}")
    replaces = same or (bool(build.unstable) and state.unused_auto_release and not state.retired)
    return Decision(
        steps=(Release(build=build, kind=Kind.AUTO, replaces_active=replaces),),
        reason="a new build of an unpinned Dag is released at once",
    )


def released_again(state: DagState) -> Decision:
    """The active build in the newest version in which it stands; of a Dag that takes it by a release only."""
    assert state.active_build is not None
    return Decision(
        steps=(Release(build=state.active_build, kind=Kind.AUTO),),
        reason="its bundle gives data with each version, so each is a release",
    )


def _promote(state: DagState, command: Command) -> Decision:
    build = command.build or state.newest_build
    if build is None:
        raise _no_build(state, command)
    active = state.active_build
    if command.at is not None and state.track is not Track.PINNED:
        raise InvalidInput(
            f"Cannot promote {state.dag_id} to version {command.at.version}",
            found="new runs of a Dag that is not pinned take the newest version",
            remedy=f"Use: pinwheel pin {state.dag_id} --bundle-version {command.at.version}",
        )
    if state.retired and state.track is not Track.PINNED:
        # Released, it would be retired again with the next version of its bundle.
        raise Refused(
            f"Cannot promote {state.dag_id}",
            found="the Dag is retired: the newest version of its bundle does not hold it",
            remedy=f"To bring it back as it was: pinwheel pin {state.dag_id} --build {build.build}",
            dag_id=state.dag_id,
            build=build.build,
        )
    if active is not None and not state.retired:
        if _moves_within(state, command, build):
            lifts = _on_purpose(state, command, build)
            return Decision(
                steps=(*lifts, _release(command, Kind.PROMOTE, build)),
                reason="now in this version" + _lifting(lifts),
            )
        if build.build == active.build:
            rejection = state.rejection_of(build)
            refused_here = state.track is Track.AUTO and rejection is not None and rejection.of_versions
            if state.later and state.pinned and command.at is None:
                lifts = _on_purpose(state, command, build)
                return Decision(
                    steps=(*lifts, _release(command, Kind.PROMOTE, build)),
                    reason="the Dag stays pinned, now in the newest version" + _lifting(lifts),
                )
            if refused_here and (lifted := _on_purpose(state, command, build)):
                return Decision(steps=lifted, reason="new runs take the newest version again")
            return Decision(steps=(), reason=f"build {build.build} is already active")
        if is_newer(active, build, newest=state.newest_build, shown=state.shown):
            raise Refused(
                f"Cannot promote {state.dag_id} to build {build.build}",
                found=f"build {active.build}, which is newer, is active",
                remedy=f"Use: pinwheel rollback {state.dag_id} --build {build.build}",
                dag_id=state.dag_id,
                build=build.build,
                active_build=active.build,
            )
    lifts = _on_purpose(state, command, build)
    done = "the Dag stays pinned, now on this build" if state.track is Track.PINNED else "promoted"
    return Decision(
        steps=(*lifts, _release(command, Kind.PROMOTE, build)),
        reason=done + _lifting(lifts),
    )


def _pin(state: DagState, command: Command) -> Decision:
    build = command.build or state.active_build
    if build is None:
        raise _no_build(state, command)
    steps: list[Step] = []
    held = f"held on build {build.build} until unpinned"
    if state.track is not Track.PINNED:
        steps.append(SetTrack(track=Track.PINNED))
    other = state.active_build is None or state.retired or build.build != state.active_build.build
    if other or _moves_within(state, command, build):
        lifts = _on_purpose(state, command, build)
        steps += [*lifts, _release(command, Kind.PIN, build)]
        held += _lifting(lifts)
    if not steps:
        return Decision(steps=(), reason=f"already pinned on build {build.build}")
    return Decision(steps=tuple(steps), reason=held)


def _unpin(state: DagState, command: Command) -> Decision:
    if command.build is not None:
        raise InvalidInput(
            f"Cannot unpin {state.dag_id} to a build",
            found=f"build {command.build.build} was given",
            remedy="Unpin returns to the newest build; to stay on another one use promote or pin",
        )
    if state.track is not Track.PINNED:
        return Decision(steps=(), reason="not pinned")
    unpinned = SetTrack(track=Track.AUTO)
    newest = state.newest_build
    rejection = state.rejection_of(newest)
    if newest is None or not waits(state):
        reason = "each new build is released at once again"
        if rejection is not None:
            reason += f"; new runs wait for another version: {rejection.said()}"
        return Decision(steps=(unpinned,), reason=reason)
    if rejection is not None:
        return Decision(
            steps=(unpinned,),
            reason=f"the next build is released at once; build {newest.build} is not: {rejection.said()}",
        )
    return Decision(
        steps=(unpinned, Release(build=newest, kind=Kind.UNPIN)),
        reason="each new build is released at once again",
    )


def _rollback(state: DagState, command: Command) -> Decision:
    before = state.before if state.active_build and not state.rejects(state.active_build) else None
    if command.build is None and before and state.active_build and not state.retired:
        return _back_a_version(state, command, state.active_build, before)
    build = command.build or command.previous_build
    if build is None:
        raise NotFound(
            f"Cannot roll back {state.dag_id}",
            found="no earlier release has another build than the active one",
            remedy=f"See what exists: pinwheel builds {state.dag_id}",
            dag_id=state.dag_id,
        )
    # On a pinned Dag this says who holds it now, and why.
    pinned = SetTrack(track=Track.PINNED)
    held = f"held on build {build.build} until unpinned"
    active = state.active_build
    if command.at is not None and _moves_within(state, command, build):
        return _back_a_version(state, command, build, command.at)
    if active is not None and build.build == active.build and not state.retired:
        return Decision(steps=(pinned,), reason=f"{held}; it is already active")
    lifts = _on_purpose(state, command, build)
    steps: list[Step] = [pinned, *lifts]
    held += _lifting(lifts)
    # No run used the build of a retired Dag, so none can have shown that it is at fault.
    if command.to_blame and active is not None and not state.retired and not state.rejects(active):
        steps.append(Reject(build=active, instead=build))
        held += f"; build {active.build} is rejected"
    return Decision(steps=(*steps, _release(command, Kind.ROLLBACK, build)), reason=held)


def _back_a_version(state: DagState, command: Command, build: Build, before: Head) -> Decision:
    """What new runs took before they followed: the same build, in an older version of its bundle."""
    lifts = _on_purpose(state, command, build) if command.at is not None else ()
    steps: list[Step] = [SetTrack(track=Track.PINNED), *lifts]
    held = f"held on build {build.build} of version {before.version} until unpinned" + _lifting(lifts)
    left = state.in_force
    if command.to_blame and left is not None and (command.at is None or left.seq > before.seq):
        # The way back may be the head again since; what is left is the version that new runs took.
        steps.append(
            Reject(
                build=build,
                first_seq=min(before.seq + 1, left.seq),
                last_seq=left.seq,
                after=before.version if before.seq < left.seq else None,
                until=left.version,
            )
        )
        held += "; the versions after it are rejected"
    back = Release(build=build, kind=Kind.ROLLBACK, version=before.version)
    return Decision(steps=(*steps, back), reason=held)


def _release(command: Command, kind: Kind, build: Build) -> Release:
    return Release(build=build, kind=kind, version=command.at.version if command.at is not None else None)


def _moves_within(state: DagState, command: Command, build: Build) -> bool:
    """Whether the active build is asked for in another version than that of its new runs."""
    active, at = state.active_build, command.at
    if at is None or active is None or state.retired or build.build != active.build:
        return False
    return state.in_force is None or at.version != state.in_force.version


def _reject(state: DagState, command: Command) -> Decision:
    build = _given(state, command)
    rejection = state.rejection_of(build)
    if rejection is not None and state.rejects(build):
        return Decision(steps=(), reason=f"build {build.build} is rejected already: {rejection.said()}")
    active = state.active_build
    stays = active is not None and active.build == build.build and not state.retired
    return Decision(
        steps=(Reject(build=build),),
        reason="it stays active until another is released" if stays else "it is never released by itself",
    )


def _lift(state: DagState, command: Command) -> Decision:
    build = _given(state, command)
    lifted = freed(state, build)
    if not lifted.rejections:
        return Decision(steps=(), reason=f"build {build.build} is not rejected")
    newest = state.newest_build
    if state.pinned or newest is None or newest.build != build.build or not waits(state) or state.retired:
        return Decision(steps=(lifted,), reason=f"build {build.build} may be released again")
    # Nothing else held it back.
    return Decision(
        steps=(lifted, Release(build=build, kind=Kind.AUTO)),
        reason="the newest build of an unpinned Dag is released at once",
    )


def _on_purpose(state: DagState, command: Command, build: Build) -> tuple[Lift, ...]:
    """What releases a build that may be rejected.

    :raises Refused: it is, and nobody said why it is right after all.
    """
    rejection = state.rejection_of(build, command.at)
    if rejection is None:
        return ()
    if not command.reason:
        raise Refused(
            f"Cannot {spoken(command.verb)} {state.dag_id} to build {build.build}",
            found=rejection.said(),
            remedy="If it is right after all, say why with a reason (--reason): that lifts the rejection",
            dag_id=state.dag_id,
            build=build.build,
            rejected_by=rejection.actor,
        )
    return (freed(state, build),)


def _lifting(lifts: tuple[Lift, ...]) -> str:
    """What a plan and its outcome add when a rejected build is released on purpose."""
    newest = [max(lift.rejections, key=lambda rejection: rejection.id) for lift in lifts]
    return "".join(f", which lifts a rejection: {rejection.said()}" for rejection in newest)


def _retire(state: DagState, command: Command) -> Decision:
    if state.retired or state.active_build is None:
        return Decision(steps=(), reason="already retired")
    if state.track is Track.PINNED:
        return Decision(steps=(), reason="gone from its bundle, but pinned: it stays")
    return Decision(
        steps=(Release(build=state.active_build, kind=Kind.RETIRE),),
        reason="gone from its bundle",
    )


def _given(state: DagState, command: Command) -> Build:
    if command.build is None:
        raise _no_build(state, command)
    return command.build


def _no_build(state: DagState, command: Command) -> NotFound:
    return NotFound(
        f"Cannot {spoken(command.verb)} {state.dag_id}",
        found="it has no good build yet",
        remedy=f"See why: pinwheel builds {state.dag_id}",
        dag_id=state.dag_id,
    )


_DECIDERS = {
    Verb.ARRIVE: _arrive,
    Verb.PROMOTE: _promote,
    Verb.PIN: _pin,
    Verb.UNPIN: _unpin,
    Verb.ROLLBACK: _rollback,
    Verb.RETIRE: _retire,
    Verb.REJECT: _reject,
    Verb.LIFT: _lift,
}
