"""Which rules and policies there are, by the document or the repository that has them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from pinwheel.core.errors import unknown_document
from pinwheel.core.json import Json
from pinwheel.core.release.serialized import file_to_json
from pinwheel.core.release.spoken import dags_words, plan_words, rule_words
from pinwheel.services import once
from pinwheel.services.policy.save import FAULT
from pinwheel.services.ports.host import Host
from pinwheel.services.rules.telling import as_seen
from pinwheel.store import faults, policies, rules
from pinwheel.store.policies import PolicySource, StoredPolicy
from pinwheel.store.rules import StoredRule

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class RuleView:
    """A rule that is in force."""

    name: str
    kind: str
    dags: str
    """Which it is about, in words."""
    says: str
    override: tuple[str, ...]
    """Who may override it, besides having the right; empty: all who have it."""
    actor: str
    reason: str | None
    at: datetime


@frozen(kw_only=True)
class PolicyView:
    """A policy that is offered, in its newest revision."""

    name: str
    revision: int
    dags: str
    says: tuple[str, ...]
    """Its steps in their order, in words."""
    locked: bool
    newer: str
    follow: bool
    bundle_version: str | None
    """Of a repository's: the version that brought it."""
    actor: str
    at: datetime


@frozen(kw_only=True)
class DocumentView:
    """The rules and policies of one document of the platform, or of one repository."""

    name: str
    """Of the document, or of the bundle whose repository it is."""
    source: str
    """``platform`` or ``repository``."""
    rules: tuple[RuleView, ...]
    policies: tuple[PolicyView, ...]
    notation: Mapping[str, Json]
    """All of it as a file has it."""
    changed_at: datetime
    """When the newest of what is in it came in."""
    changed_by: str


@frozen(kw_only=True)
class Documents:
    """All rules and policies."""

    documents: tuple[DocumentView, ...]
    """Those of the platform first, by name."""
    by_hand: tuple[RuleView, ...]
    """Rules that are in no document."""
    problem: str | None
    """What is wrong with the file that the configuration names."""

    def told(self, bundles: Collection[str], *, problem: bool) -> Documents:
        """Of repositories only those of these bundles; *problem*: what is wrong with the file may be read."""
        known = tuple(
            each for each in self.documents if each.source == PolicySource.PLATFORM or each.name in bundles
        )
        hidden = None if self.problem is None else "The file can not be used; ask who runs Airflow."
        return evolve(self, documents=known, problem=self.problem if problem else hidden)


def documents(host: Host, *, sees: once.Sees | None = None) -> Documents:
    """All that are in force somewhere.

    To somebody who *sees* some Dags (None: all) no other is named, and nothing is told of what names Dags
    and selects none of these.
    """

    def work(session: Session) -> Documents:
        found: dict[tuple[str, str], tuple[list[StoredRule], list[StoredPolicy]]] = {}
        by_hand = []
        its_rules, its_policies = rules.live(session), policies.live(session)
        if sees is not None:
            its_rules, its_policies = as_seen(host, session, its_rules, its_policies, sees)
        for rule in its_rules:
            if rule.document is None:
                by_hand.append(_rule(rule))
            else:
                key = PolicySource.PLATFORM.value, rule.document
                found.setdefault(key, ([], []))[0].append(rule)
        for policy in its_policies:
            found.setdefault((policy.source.value, policy.document), ([], []))[1].append(policy)
        problems = [
            fault.error
            for fault in faults.listed(session)
            if (fault.bundle_name, fault.place) == (faults.PROCESSOR, FAULT)
        ]
        return Documents(
            documents=tuple(_document(*key, *found[key]) for key in sorted(found)),
            by_hand=tuple(by_hand),
            problem=problems[0] if problems else None,
        )

    return host.unit.run(work)


def document(host: Host, name: str, *, repository: bool = False) -> DocumentView:
    """One document of the platform, or what the repository of a bundle has.

    :raises NotFound: there is nothing of this name.
    """
    source = PolicySource.REPOSITORY if repository else PolicySource.PLATFORM
    for each in documents(host).documents:
        if (each.source, each.name) == (source.value, name):
            return each
    raise unknown_document(name, repository=repository)


def _document(
    source: str, name: str, its_rules: Sequence[StoredRule], its_policies: Sequence[StoredPolicy]
) -> DocumentView:
    changes = [
        *((each.at, each.actor) for each in its_rules),
        *((each.created_at, each.actor) for each in its_policies),
    ]
    changed_at, changed_by = max(changes)
    return DocumentView(
        name=name,
        source=source,
        rules=tuple(map(_rule, its_rules)),
        policies=tuple(map(_policy, its_policies)),
        notation=file_to_json([each.rule for each in its_rules], [each.policy for each in its_policies]),
        changed_at=changed_at,
        changed_by=changed_by,
    )


def _rule(stored: StoredRule) -> RuleView:
    rule = stored.rule
    return RuleView(
        name=rule.name,
        kind=rule.kind.value,
        dags=dags_words(rule.dags),
        says=rule_words(rule),
        override=rule.override,
        actor=stored.actor,
        reason=stored.reason,
        at=stored.at,
    )


def _policy(stored: StoredPolicy) -> PolicyView:
    policy = stored.policy
    return PolicyView(
        name=policy.name,
        revision=stored.revision,
        dags=dags_words(policy.dags),
        says=plan_words(policy.plan),
        locked=policy.locked,
        newer=policy.plan.newer.value,
        follow=policy.plan.follow,
        bundle_version=stored.bundle_version,
        actor=stored.actor,
        at=stored.created_at,
    )
