"""A document of the platform comes in: its rules and policies are from then on what it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.core.errors import InvalidInput, Refused
from pinwheel.core.json import Json
from pinwheel.core.parse.lined_yaml import Wrong
from pinwheel.core.parse.policy_yaml import ReadPlatform, read_platform
from pinwheel.core.parse.told import in_order
from pinwheel.core.release.loosen import loosens
from pinwheel.core.release.policy import Policy
from pinwheel.core.release.rule import Rule
from pinwheel.core.release.spoken import dags_words, plan_words, rule_words
from pinwheel.services.policy.tell import tell
from pinwheel.services.ports.host import Host
from pinwheel.store import leases, policies, rollouts, rules
from pinwheel.store.locking import begin_write
from pinwheel.store.policies import PolicySource, StoredPolicy
from pinwheel.store.rules import StoredRule

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

FILE = "policy_file"
"""The document of the file that the option ``[pinwheel] policy_file`` names."""
FAULT = FILE
"""The place of the fault of that file."""
_HELD = "platform's rules and policies"
"""Two changes of documents at once wait for each other: names are their own over all of them."""


@frozen(kw_only=True)
class PartChange:
    """What becomes of one rule or policy of a document."""

    name: str
    what: str
    """``added``, ``changed`` or ``removed``."""
    dags: str
    """Which it is about, in words; of one that is removed: was."""
    says: tuple[str, ...]
    """A policy's steps in their order, or what a rule says; of one that is removed: said."""
    loosened: tuple[str, ...] = ()
    """What a changed policy holds less than it did, each as part of a sentence."""


@frozen(kw_only=True)
class Saved:
    """What a document changed."""

    document: str
    changed: bool
    rules: tuple[PartChange, ...]
    policies: tuple[PartChange, ...]


def save(
    host: Host,
    document: str,
    text: bytes,
    *,
    actor: str,
    reason: str | None = None,
    plan: bool = False,
    of_file: bool = False,
) -> Saved:
    """Let a document say this: rules at once and for rollouts that are on their way too, policies from the
    next build of each Dag on. What says the same as before is left as it is, so a repeat changes nothing.

    An empty text takes the document away. A plan says what would change, and changes nothing. *of_file*: it
    is the file's that the configuration names; nobody else writes its document.

    :raises InvalidInput: something is wrong with it; all that is found, by line, and nothing is taken.
    :raises Refused: its document is that of the configured file.
    """
    if document == FILE and not of_file:
        raise Refused(
            f"Cannot save the document {FILE}",
            found="it is what the file says that [pinwheel] policy_file names",
            remedy="Change that file, or save this under another name",
        )
    read = read_platform(text)
    if read.wrong:
        raise wrong_file(f"the document {document}", read.wrong)
    if plan:
        return host.rehearse(lambda rehearsed: _saved(rehearsed, document, read, actor, reason))
    saved = _saved(host, document, read, actor, reason)
    if saved.changed:
        host.unit.announce([{"kind": "policy", "document": document}])
    return saved


def wrong_file(what: str, wrong: Iterable[Wrong]) -> InvalidInput:
    """The error of a file that is wrong: a line for each thing that is, and all are among its facts."""
    all_wrong = list(wrong)
    # The error ends the last of them with a stop of its own
    lines = "\n".join(map(str, all_wrong)).removesuffix(".")
    facts: list[Mapping[str, Json]] = [
        {"line": one.line, "found": one.found, "remedy": one.remedy} for one in all_wrong
    ]
    return InvalidInput(
        f"Cannot use {what}",
        found=lines,
        remedy="Until it is right, what was saved before stays in force",
        wrong=facts,
    )


def _saved(host: Host, document: str, read: ReadPlatform, actor: str, reason: str | None) -> Saved:
    return host.unit.run(partial(_save, host, document, read, actor, reason))


def _save(
    host: Host, document: str, read: ReadPlatform, actor: str, reason: str | None, session: Session
) -> Saved:
    begin_write(session)
    leases.hold(session, _HELD)
    now = host.unit.now()
    stored_rules, stored_policies = rules.live(session), policies.live(session, bundles=())
    former_rules = {each.rule.name: each.rule for each in stored_rules if each.document == document}
    former = {each.policy.name: each.policy for each in stored_policies if each.document == document}
    if taken := names_taken(read, document, stored_rules, stored_policies):
        raise wrong_file(f"the document {document}", taken)
    added, lifted = rules.replace(session, document, read.rules, actor=actor, reason=reason, now=now)
    changed = policies.replace(session, PolicySource.PLATFORM, document, read.policies, actor=actor, now=now)
    if added or lifted:
        rollouts.wake(session, now)
    if added or lifted or changed:
        tell(
            host,
            session,
            now=now,
            actor=actor,
            reason=reason,
            document=document,
            policies=changed,
            rules_added=added,
            rules_lifted=lifted,
        )
    after_rules = {rule.name: rule for rule in read.rules}
    after = {policy.name: policy for policy in read.policies}
    return Saved(
        document=document,
        changed=bool(added or lifted or changed),
        rules=tuple(
            _rule_change(name, former_rules.get(name), after_rules.get(name))
            for name in dict.fromkeys((*added, *lifted))
        ),
        policies=tuple(_policy_change(name, former.get(name), after.get(name)) for name in changed),
    )


def names_taken(
    read: ReadPlatform, document: str, stored: Iterable[StoredRule], offered: Iterable[StoredPolicy]
) -> tuple[Wrong, ...]:
    """Rules and policies of a document that have the names of others elsewhere."""
    rules_elsewhere = {each.rule.name: each.document for each in stored if each.document != document}
    policies_elsewhere = {
        each.policy.name: each.document for each in _platforms(offered) if each.document != document
    }
    return in_order(
        [
            *(
                _taken(f"a rule {rule.name!r}", rule.line, rules_elsewhere[rule.name])
                for rule in read.rules
                if rule.name in rules_elsewhere
            ),
            *(
                _taken(f"a policy {policy.name!r}", policy.line, policies_elsewhere[policy.name])
                for policy in read.policies
                if policy.name in policies_elsewhere
            ),
        ]
    )


def _taken(what: str, line: int, where: str | None) -> Wrong:
    whose = "which somebody made by hand" if where is None else f"of the document {where}"
    return Wrong(line, f"there is {what} already, {whose}", "Write another name")


def _platforms(offered: Iterable[StoredPolicy]) -> list[StoredPolicy]:
    return [each for each in offered if each.source is PolicySource.PLATFORM]


def _rule_change(name: str, before: Rule | None, after: Rule | None) -> PartChange:
    dags, says = _of_rule(after) if after is not None else _of_rule(before)
    return PartChange(name=name, what=_what(before, after), dags=dags, says=says)


def _of_rule(rule: Rule | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if rule is None else (dags_words(rule.dags), (rule_words(rule),))


def _policy_change(name: str, before: Policy | None, after: Policy | None) -> PartChange:
    dags, says = _of_policy(after) if after is not None else _of_policy(before)
    return PartChange(
        name=name,
        what=_what(before, after),
        dags=dags,
        says=says,
        loosened=() if before is None or after is None else loosens(before.plan, after.plan),
    )


def _of_policy(policy: Policy | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if policy is None else (dags_words(policy.dags), plan_words(policy.plan))


def _what(before: object | None, after: object | None) -> str:
    return "added" if before is None else "removed" if after is None else "changed"
