"""Which rules and which policy are about Dags: read once in a transaction, whatever it changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import field, frozen

from pinwheel.core.records import ManagedDag
from pinwheel.core.release.judged_by import Judged, Revision, judged_by, newest_for
from pinwheel.core.release.policy import Source
from pinwheel.core.release.rule import Forbidden, Rule, RuleKind, Subject, about, forbidden, limits
from pinwheel.core.rollout.hold import ORDER, Hold, HoldKind
from pinwheel.core.rollout.window import OPEN, Freeze, Limit, is_open, next_opening
from pinwheel.core.rollout.window_text import told
from pinwheel.services.ports.host import Host
from pinwheel.store import dags, policies, rules
from pinwheel.store.policies import StoredPolicy
from pinwheel.store.rules import StoredRule

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class Standing:
    """The rules and policies that are in force where some Dags are."""

    rules: tuple[StoredRule, ...] = ()
    policies: tuple[StoredPolicy, ...] = ()
    former: Mapping[int, StoredPolicy] = field(factory=dict)
    """By id, revisions that are still in force for some Dag, although its repository has them no more."""

    @property
    def nothing(self) -> bool:
        """There is none: each Dag is as without them."""
        return not (self.rules or self.policies or self.former)

    @property
    def by_tag(self) -> bool:
        """Whether one of them selects Dags by their tags."""
        selectors = [
            *(each.rule.dags for each in self.rules),
            *(each.policy.dags for each in (*self.policies, *self.former.values())),
        ]
        return any(selector.tags for selector in selectors)

    @property
    def _rules(self) -> tuple[Rule, ...]:
        return tuple(each.rule for each in self.rules)

    def judged(self, dag: Subject, policy_id: int | None) -> Judged:
        """By which policy this Dag is judged; *policy_id* is the repository's that is in force for it."""
        known = {each.id: each for each in self.policies} | dict(self.former)
        former = known.get(policy_id) if policy_id is not None else None
        return judged_by(
            [_revision(each) for each in self.policies],
            self._rules,
            dag,
            _revision(former) if former is not None else None,
        )

    def newest_for(self, dag: Subject) -> int | None:
        """The revision of its repository's policy that is in force for a Dag from a release on."""
        found = newest_for([_revision(each) for each in self.policies], self._rules, dag)
        return found.id if found is not None else None

    def about(self, dag: Subject) -> tuple[StoredRule, ...]:
        """The rules that select a Dag, in their order."""
        return tuple(each for each in self.rules if each.rule.selects(dag))

    def forbidding(self, dag: Subject, act: Forbidden) -> tuple[Rule, ...]:
        return forbidden(about(self._rules, dag), act)

    def limits(self, dag: Subject) -> tuple[Limit, ...]:
        """What says when places of a Dag may be released."""
        return limits(about(self._rules, dag))

    def closing(self, dag: Subject, at: datetime) -> tuple[StoredRule, ...]:
        """The freezes and windows that let none of its places be released at an instant."""
        return tuple(
            each for each in self.about(dag) if (own := limits([each.rule])) and is_open(own, at) != OPEN
        )

    def closed(self, dag: Subject, at: datetime) -> tuple[Hold, ...]:
        """The same as what holds the Dag."""
        found = [_hold(each, at) for each in self.closing(dag, at)]
        return tuple(sorted(found, key=lambda hold: ORDER[hold.kind]))


def load(session: Session, rows: Mapping[str, ManagedDag]) -> Standing:
    """What is in force or still is for these Dags: two statements, a third where such a policy is no more.

    Of repositories only the policies of these Dags' bundles are read: what one has costs no other's Dags.
    """
    live = policies.live(session, {row.bundle_name for row in rows.values()})
    wanted = {row.policy_id for row in rows.values() if row.policy_id is not None}
    missing = wanted - {each.id for each in live}
    return Standing(
        rules=rules.live(session),
        policies=live,
        former=policies.by_ids(session, missing) if missing else {},
    )


def subjects(
    host: Host, session: Session, standing: Standing, rows: Mapping[str, ManagedDag]
) -> dict[str, Subject]:
    """The Dags as far as it decides which rules and policies are about them: with the tags of what is active.

    Their tags are Airflow's rows, which the active release wrote. They are read where something asks for
    them.
    """
    tags = host.reads.tags_of(session, list(rows)) if standing.by_tag and rows else {}
    return {
        dag_id: Subject(dag_id=dag_id, tags=frozenset(tags.get(dag_id, ())), bundle=row.bundle_name)
        for dag_id, row in rows.items()
    }


def of_repository(judged: Judged) -> int | None:
    """The revision of its repository's policy that is in force for a Dag; None: another policy is."""
    chosen = judged.in_force
    return chosen.id if chosen is not None and judged.choice.source is Source.REPOSITORY else None


def put_in_force(
    session: Session, rows: Mapping[str, ManagedDag], policy_ids: Mapping[str, int | None]
) -> None:
    """Note for Dags, given by their rows, which revisions are in force; those that stay are not written."""
    changed: dict[int | None, list[str]] = {}
    for dag_id, policy_id in policy_ids.items():
        if rows[dag_id].policy_id != policy_id:
            changed.setdefault(policy_id, []).append(dag_id)
    for policy_id, dag_ids in changed.items():
        dags.put_policy(session, dag_ids, policy_id)


def come_into_force(host: Host, session: Session, bundle_name: str) -> None:
    """A bundle's repository has other policies now: those that hold no less are in force for its Dags."""
    rows = dags.of_bundle(session, bundle_name)
    standing = load(session, rows)
    subjects_of = subjects(host, session, standing, rows)
    judged = {
        dag_id: standing.judged(subject, rows[dag_id].policy_id) for dag_id, subject in subjects_of.items()
    }
    put_in_force(session, rows, {dag_id: of_repository(each) for dag_id, each in judged.items()})


def _revision(stored: StoredPolicy) -> Revision:
    return Revision(id=stored.id, revision=stored.revision, offered=stored.offered)


def _hold(each: StoredRule, at: datetime) -> Hold:
    body, own = each.rule.body, limits([each.rule])
    return Hold(
        kind=HoldKind.FREEZE if each.rule.kind is RuleKind.FREEZE else HoldKind.WINDOW,
        reason=f"{told(own[0].when)} (rule {each.rule.name})",
        since=(body.since or each.at) if isinstance(body, Freeze) else None,
        # A freeze may end later than anybody looks for the next opening of a window.
        until=body.until if isinstance(body, Freeze) else next_opening(own, at),
        by=each.actor,
    )
