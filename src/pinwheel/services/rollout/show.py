"""What is seen of rollouts: how far each has come, what it waits for, and what could be done about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import InvalidInput, NotFound, unknown_dag
from pinwheel.core.release.spoken import plan_words
from pinwheel.core.rollout.decide import holds
from pinwheel.core.rollout.facts import Facts
from pinwheel.core.rollout.gate import (
    Answer,
    GateFacts,
    OfDigest,
    OfVersion,
    approvers,
    counts,
    needed_approvals,
    why_more_approvals,
)
from pinwheel.core.rollout.hold import Hold
from pinwheel.core.rollout.state import Cause, Rollout, Slot, State
from pinwheel.core.rollout.steps import Approve, Of, kind_of
from pinwheel.core.rollout.waiting import Answered, Awaited, Awaits, Reached, answers, awaits, reached
from pinwheel.services.ports.host import Host
from pinwheel.services.release import watched
from pinwheel.services.release.loading import load
from pinwheel.services.release.watched import WatchView
from pinwheel.services.rules import facts
from pinwheel.store import builds, dags, rollouts, verdicts
from pinwheel.store.rollouts import Wanted
from pinwheel.store.verdicts import StoredVerdict

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PAGE = 1000
"""So many are read at once."""
OF_CHECK = "check:"
"""Before the name of the check that is waited for."""


@frozen(kw_only=True)
class StepView:
    """One step of the plan."""

    kind: str
    name: str | None
    """Of the check."""
    words: str
    where: Reached


@frozen(kw_only=True)
class VerdictView:
    """What a check or a person said of what rolls out."""

    name: str
    """Of the check; of what a person said: the verb."""
    verdict: Answer
    actor: str
    at: datetime
    reason: str | None
    url: str | None
    of: str
    """What it names: ``place``, ``version`` or ``digest``."""
    step: int | None
    """At which step a person said it, from 0 on; None: it came from outside."""
    expires_at: datetime | None


@frozen(kw_only=True)
class ApprovalsView:
    """How the approval at which a rollout is stands."""

    needed: int
    missing: int
    given: tuple[str, ...]
    why_more: str | None
    """Why more are needed than its plan says; None: not more are."""


@frozen(kw_only=True)
class RolloutView:
    """One place of a Dag on its way, or how its way ended."""

    id: int
    dag_id: str
    bundle: str | None
    build: int | None
    bundle_version: str
    policy: str | None
    """None: the one that is built in."""
    revision: int | None
    state: State
    slot: Slot | None
    """Which of the two that its Dag may have; None: it has ended."""
    generation: int
    steps: tuple[StepView, ...]
    attempt: int
    holds: tuple[Hold, ...]
    """Why its place is not in force; none of one that is watched or has ended."""
    waits_for: Awaits
    watch: WatchView | None
    """Of one that is, or was, watched."""
    cause: Cause | None
    why: str | None
    paused_by: str | None
    asked_by: str | None
    asked_at: datetime | None
    not_before: datetime | None
    authors: tuple[str, ...] | None
    """Who had a part in it; None: nobody knows."""
    approvals: ApprovalsView | None
    """Where it is at an approval."""
    verdicts: tuple[VerdictView, ...]
    acts: tuple[Answered, ...]
    """What each act would be answered with, for somebody who may."""
    began_at: datetime
    since: datetime
    """When its step began, or was taken up again."""
    released_at: datetime | None
    ended_at: datetime | None


@frozen(kw_only=True)
class RolloutPage:
    """Some rollouts: those that wait for a person first, else the newest first."""

    rollouts: tuple[RolloutView, ...]
    next_before_id: int | None
    """To go on from; None: that is all. A page may have fewer than the limit, and go on all the same."""


@frozen(kw_only=True)
class Asked:
    """Which rollouts somebody wants to see. All that is given must hold."""

    dag_ids: frozenset[str] | None = None
    """None: of all Dags."""
    states: frozenset[str] = frozenset()
    """``live`` stands for all that have not ended."""
    version: str | None = None
    waiting_for: str | None = None
    """One of :class:`~pinwheel.core.rollout.waiting.Awaited`, or ``check:NAME``."""

    def wanted(self) -> Wanted:
        """The same for the store: none that fits is left out, some that do not may be in.

        :raises InvalidInput: a word that is none of those.
        """
        known = {state.value for state in State}
        for word in sorted(self.states - known - {"live"}):
            raise _not_one_of("state", word, ["live", *known])
        waits = self.waiting_for
        named = waits is not None and waits.startswith(OF_CHECK)
        if waits is not None and not named and waits not in set(Awaited):
            raise _not_one_of("waiting_for", waits, [*Awaited, f"{OF_CHECK}NAME"])
        return Wanted(
            dag_ids=self.dag_ids,
            live=True if "live" in self.states or waits not in (None, Awaited.NOBODY) else None,
            states=frozenset(State(word) for word in self.states - {"live"}),
            step="check" if named or waits == Awaited.CHECK else None,
            name=waits.removeprefix(OF_CHECK) if named and waits is not None else None,
            for_person=waits == Awaited.PERSON,
            version=self.version,
        )

    def admits(self, view: RolloutView) -> bool:
        if self.waiting_for is None:
            return True
        return view.waits_for.kind.value == self.waiting_for.partition(":")[0]


def _not_one_of(name: str, word: str, words: Collection[str]) -> InvalidInput:
    return InvalidInput(
        "Cannot list rollouts",
        found=f"{name} is {word!r}",
        remedy=f"Give one of: {', '.join(dict.fromkeys(words))}",
    )


def one(host: Host, rollout_id: int) -> RolloutView:
    """:raises NotFound: there is none of this id."""

    def work(session: Session) -> RolloutView:
        found = rollouts.one(session, rollout_id)
        if found is None:
            raise unknown_rollout(rollout_id)
        return views(host, session, [found])[0]

    return host.unit.run(work)


def unknown_rollout(rollout_id: int) -> NotFound:
    """The same words for one that there is not and for one of a Dag that may not be seen."""
    return NotFound(
        f"Cannot find rollout {rollout_id}",
        found="there is none of this id",
        remedy="List what there is with: pinwheel rollout",
        problem="no-rollout",
    )


def of_dag(host: Host, dag_id: str) -> RolloutView:
    """The Dag's rollout ahead, else the one that is watched, else the last.

    :raises NotFound: it never had one, or is not managed.
    """

    def work(session: Session) -> RolloutView:
        if dag_id not in dags.rows(session, [dag_id]):
            raise unknown_dag(dag_id)
        found = rollouts.of_dags(session, [dag_id]).get(dag_id, ())
        by_slot = {each.slot: each for each in found}
        chosen = by_slot.get(Slot.AHEAD) or by_slot.get(Slot.WATCHED) or (found[-1] if found else None)
        if chosen is None:
            raise NotFound(
                f"Cannot find a rollout of {dag_id}",
                found="nothing of it was ever on its way",
                remedy=f"See how it stands: pinwheel status {dag_id}",
                dag_id=dag_id,
                problem="no-rollout",
            )
        return views(host, session, [chosen])[0]

    return host.unit.run(work)


def listed(host: Host, asked: Asked, *, limit: int, before_id: int | None = None) -> RolloutPage:
    """A page of rollouts, of those with an id below *before_id*; a fixed number of statements.

    :raises InvalidInput: a word of *asked* is none that there is.
    """
    wanted = asked.wanted()

    def work(session: Session) -> RolloutPage:
        found = rollouts.listed(session, wanted, limit=limit, before_id=before_id)
        shown = [view for view in views(host, session, found) if asked.admits(view)]
        shown.sort(key=lambda view: view.waits_for.kind is not Awaited.PERSON)
        more = len(found) == limit
        return RolloutPage(rollouts=tuple(shown), next_before_id=found[-1].id if more else None)

    return host.unit.run(work)


def listed_of(host: Host, asked: Asked, *, limit: int) -> list[RolloutView]:
    """As many as that, if there are so many: page after page; those of each that wait for a person first."""
    found: list[RolloutView] = []
    before: int | None = None
    while len(found) < limit:
        page = listed(host, asked, limit=min(limit, PAGE), before_id=before)
        found += page.rollouts
        before = page.next_before_id
        if before is None:
            break
    return found[:limit]


def views(host: Host, session: Session, found: Sequence[Rollout]) -> list[RolloutView]:
    """How these rollouts are seen, in their order."""
    if not found:
        return []
    now = host.unit.now()
    rows = dags.rows(session, {each.dag_id for each in found})
    known = facts.know(session, rows)
    loaded = load(host, session, rows, others=known.build_ids)
    of_dags = facts.find(host, session, known, loaded, now=now)
    known_facts = {dag_id: each.facts for dag_id, each in of_dags.items()}
    built = watched.names(
        session, known_facts, builds.by_ids(session, {each.place.build_id for each in found})
    )
    said = verdicts.about(
        session,
        rollouts=[each.id for each in found],
        build_ids=[each.place.build_id for each in found],
        versions=[each.place.version for each in found],
        digests=[built[each.place.build_id].digest for each in found if each.place.build_id in built],
    )
    made = []
    for each in found:
        row, build = rows.get(each.dag_id), built.get(each.place.build_id)
        bundle = row.bundle_name if row is not None else None
        own = facts_of(each, known_facts.get(each.dag_id))
        made.append(_view(each, own, bundle, built, _counting(each, said, bundle, build), now))
    return made


def facts_of(rollout: Rollout, known: Facts | None) -> Facts | None:
    """The facts of its Dag, if the rollout is still in them as it is."""
    if known is None:
        return None
    return known if rollout in (known.ahead, known.watched, known.stopped) else None


def _counting(
    rollout: Rollout, said: Sequence[StoredVerdict], bundle: str | None, build: Build | None
) -> list[StoredVerdict]:
    """What was said of the rollout's place, and what persons said at its steps."""
    around_it = GateFacts(bundle=bundle or "", digests=frozenset([build.digest] if build is not None else ()))
    return [
        each
        for each in said
        if each.verdict.rollout == rollout.id
        or (each.verdict.rollout is None and counts(each.verdict.subject, Of.PLACE, rollout.place, around_it))
    ]


def _view(
    rollout: Rollout,
    known: Facts | None,
    bundle: str | None,
    built: Mapping[int, Build],
    said: Sequence[StoredVerdict],
    now: datetime,
) -> RolloutView:
    seen, build = known or Facts(dag_id=rollout.dag_id), built.get(rollout.place.build_id)
    was_watched = rollout.plan.watch is not None and rollout.released_at is not None
    skipped = {
        each.verdict.step
        for each in said
        if each.verdict.answer is Answer.SKIPPED and each.verdict.step is not None
    }
    authors = rollout.authors
    return RolloutView(
        id=rollout.id,
        dag_id=rollout.dag_id,
        bundle=bundle,
        build=build.build if build is not None else None,
        bundle_version=rollout.place.version,
        policy=rollout.policy,
        revision=rollout.revision,
        state=rollout.state,
        slot=rollout.slot,
        generation=rollout.generation,
        steps=_steps(rollout, skipped),
        attempt=rollout.attempt,
        holds=holds(rollout, seen, now) if rollout.slot is Slot.AHEAD else (),
        waits_for=awaits(rollout, seen, now),
        watch=watched.view_of(rollout, seen, built) if was_watched else None,
        cause=rollout.cause,
        why=rollout.why,
        paused_by=rollout.paused_by,
        asked_by=rollout.asked_by,
        asked_at=rollout.asked_at,
        not_before=rollout.not_before,
        authors=None if authors is None else tuple(dict.fromkeys(each.name for each in authors)),
        approvals=_approvals(rollout, seen.gates, now),
        verdicts=tuple(_verdict(each) for each in said),
        acts=answers(rollout, known, now) if known is not None else (),
        began_at=rollout.began_at,
        since=rollout.since,
        released_at=rollout.released_at,
        ended_at=rollout.ended_at,
    )


def _steps(rollout: Rollout, skipped: Collection[int]) -> tuple[StepView, ...]:
    made = []
    plan = rollout.plan
    for step, words, where in zip(plan.steps, plan_words(plan), reached(rollout, skipped), strict=True):
        kind, name = kind_of(step)
        made.append(StepView(kind=kind, name=name, words=words, where=where))
    return tuple(made)


def _approvals(rollout: Rollout, known: GateFacts, now: datetime) -> ApprovalsView | None:
    gate = rollout.at_gate
    if rollout.slot is not Slot.AHEAD or not isinstance(gate, Approve):
        return None
    given, needed = approvers(gate, rollout, known, now), needed_approvals(gate, rollout, known)
    return ApprovalsView(
        needed=needed,
        missing=max(0, needed - len(given)),
        given=tuple(sorted(given)),
        why_more=why_more_approvals(gate, rollout, known),
    )


_OF: Mapping[type[object], str] = {OfVersion: "version", OfDigest: "digest"}


def _verdict(stored: StoredVerdict) -> VerdictView:
    said = stored.verdict
    return VerdictView(
        name=said.name,
        verdict=said.answer,
        actor=said.actor,
        at=said.at,
        reason=said.reason,
        url=stored.url,
        of=_OF.get(type(said.subject), "place"),
        step=said.step,
        expires_at=said.expires_at,
    )
