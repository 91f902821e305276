"""By which policy and rules a Dag is judged, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.core.errors import unknown_dag
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.judged_by import Judged
from pinwheel.core.release.policy import Considered
from pinwheel.core.release.rule import Subject, required
from pinwheel.core.release.spoken import dags_words, plan_words, rule_words
from pinwheel.core.rollout.before import Before
from pinwheel.core.rollout.hold import Hold
from pinwheel.core.rollout.steps import kind_of
from pinwheel.core.rollout.watch_words import PlaceNamed, way_back_words
from pinwheel.services import once
from pinwheel.services.ports.host import Host
from pinwheel.services.release import watched
from pinwheel.services.release.loading import load
from pinwheel.services.rules import facts, judging
from pinwheel.services.rules.judging import Standing, subjects
from pinwheel.services.rules.telling import only_seen
from pinwheel.store import builds, dags
from pinwheel.store.rules import StoredRule

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class StepOfDag:
    """A step on which places of the Dag are released."""

    kind: str
    """``approve``, ``check``, ``wait``, ``release`` or ``soak``."""
    says: str
    required: bool
    """A rule requires it, whatever the policy says."""


@frozen(kw_only=True)
class RuleOfDag:
    """A rule that is about the Dag."""

    name: str
    kind: str
    dags: str
    says: str
    document: str | None
    """Of the platform; None: somebody made it by hand."""
    override: tuple[str, ...]


@frozen(kw_only=True)
class ConsideredPolicy:
    """A policy, and why it is the Dag's or is not."""

    name: str
    source: str
    chosen: bool
    why: str


@frozen(kw_only=True)
class Explained:
    """By what a Dag is judged now."""

    dag_id: str
    bundle: str
    policy: str
    """The one in force."""
    source: str
    """``locked``, ``repository``, ``platform`` or ``built-in``."""
    revision: int | None
    """None of the built-in one."""
    why: str
    """Why it is that one, as part of a sentence."""
    at_once: bool
    """Each new build is released when it arrives, where no window or freeze is closed."""
    steps: tuple[StepOfDag, ...]
    back: str | None
    """What would become of the next release if it were worse, as part of a sentence; None: nobody watches."""
    newer: str
    follow: bool
    rules: tuple[RuleOfDag, ...]
    closed: tuple[Hold, ...]
    """The freezes and windows that let none of its places be released now, and when each opens."""
    loosened: tuple[str, ...]
    """What the repository's policy of now holds less, so that it waits for the Dag's next release."""
    waits: str | None
    """The name of that policy; of one that is gone, of what takes its place."""
    considered: tuple[ConsideredPolicy, ...]
    """All policies that can be the Dag's: of those in force now the one that is chosen, then the others."""


def explain(host: Host, dag_id: str, *, sees: once.Sees | None = None) -> Explained:
    """To somebody who *sees* some Dags (None: all) no other is named.

    :raises NotFound: nobody knows the Dag.
    """

    def work(session: Session) -> Explained:
        rows = dags.rows(session, [dag_id])
        if dag_id not in rows:
            raise unknown_dag(dag_id)
        standing = judging.load(session, rows)
        dag = subjects(host, session, standing, rows)[dag_id]
        judged = standing.judged(dag, rows[dag_id].policy_id)
        named = {each for stored in standing.about(dag) for each in stored.rule.dags.ids}
        seen = named if sees is None else set(sees(sorted(named)))
        back = None if judged.choice.plan.watch is None else _back(host, session, rows, judged)
        return _explained(standing, dag, judged, host.unit.now(), seen, back)

    return host.unit.run(work)


def _back(host: Host, session: Session, rows: Mapping[str, ManagedDag], judged: Judged) -> str | None:
    """As it would be if the next release were made now; while one is watched, what is said of that."""
    known = facts.read(session, rows)
    under = watched.of_rows(host, session, known, rows)
    for watch in under.values():
        return watch.back
    loaded = load(host, session, rows, others=known.build_ids)
    (found,) = facts.find(host, session, known, loaded, now=host.unit.now()).values()
    of, place = found.facts, found.facts.proven
    rules, before = judged.choice.plan.rollback, of.before or Before()
    back = None
    if place is not None and place not in of.rejected:
        build = builds.by_ids(session, [place.build_id]).get(place.build_id)
        back = PlaceNamed(build=build.build if build is not None else None, bundle_version=place.version)
    return way_back_words(rules, before, back)


def _explained(
    standing: Standing, dag: Subject, judged: Judged, now: datetime, seen: set[str], back: str | None
) -> Explained:
    choice, plan = judged.choice, judged.choice.plan
    gates = required(choice.rules)
    best = choice.chain[0]
    return Explained(
        dag_id=dag.dag_id,
        bundle=dag.bundle,
        policy=choice.policy.name,
        source=choice.source.value,
        revision=judged.in_force.revision if judged.in_force is not None else None,
        why="it was in force before, and the newer one holds less" if judged.loosened else best.why,
        at_once=plan.at_once,
        steps=tuple(
            StepOfDag(kind=kind_of(step)[0], says=says, required=at < len(gates))
            for at, (step, says) in enumerate(zip(plan.steps, plan_words(plan), strict=True))
        ),
        back=back,
        newer=plan.newer.value,
        follow=plan.follow,
        rules=tuple(_rule(each, seen) for each in standing.about(dag)),
        closed=standing.closed(dag, now),
        loosened=judged.loosened,
        waits=best.name if judged.loosened else None,
        considered=tuple(map(_considered, choice.chain)),
    )


def _rule(stored: StoredRule, seen: set[str]) -> RuleOfDag:
    rule = stored.rule
    return RuleOfDag(
        name=rule.name,
        kind=rule.kind.value,
        dags=dags_words(only_seen(rule.dags, seen)),
        says=rule_words(rule),
        document=stored.document,
        override=rule.override,
    )


def _considered(each: Considered) -> ConsideredPolicy:
    return ConsideredPolicy(name=each.name, source=each.source.value, chosen=each.chosen, why=each.why)
