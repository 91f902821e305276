"""What a file of rules and policies would mean for Dags, before it is saved or pushed. Nothing is written."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from pinwheel.core.parse import pinwheel_yaml
from pinwheel.core.parse.declared import FILE
from pinwheel.core.parse.lined_yaml import Wrong
from pinwheel.core.parse.policy_yaml import ReadPlatform, read_platform
from pinwheel.core.release.loosen import loosens
from pinwheel.core.release.policy import Policy
from pinwheel.core.release.spoken import plan_words
from pinwheel.services.policy.save import names_taken, wrong_file
from pinwheel.services.ports.host import Host
from pinwheel.services.rules.judging import Standing, load, subjects
from pinwheel.store import dags
from pinwheel.store.policies import PolicySource, StoredPolicy
from pinwheel.store.rules import StoredRule

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

NOBODY = ""


@frozen(kw_only=True)
class TriedDag:
    """What a file would mean for one Dag."""

    dag_id: str
    policy: str
    """The one that would be in force at once."""
    source: str
    steps: tuple[str, ...]
    """In words, with the gates that rules require."""
    policy_now: str
    changed: bool
    """Its plan would be another one than now."""
    loosened: tuple[str, ...]
    """What the file holds less than what is in force now, each as part of a sentence."""
    waits: bool
    """Of a repository's: so it would come into force with the Dag's next release only."""
    rules: tuple[str, ...]
    """Those that would bind it, by name, open or closed; in their order."""
    closed: bool
    """A window or freeze would let none of its places be released now."""


@frozen(kw_only=True)
class Tried:
    """What a file would mean."""

    name: str
    """The document that it would be, or the bundle whose repository it would be in."""
    source: str
    """``platform`` or ``repository``."""
    rules: int
    policies: int
    dags: tuple[TriedDag, ...]
    """Those that are asked for, by id; none that is retired."""


def try_out(
    host: Host, text: bytes, *, dag_ids: Collection[str] | None, document: str = "", bundle: str | None = None
) -> Tried:
    """What a document of the platform, or with *bundle* the ``pinwheel.yaml`` of that repository, would mean
    for these Dags, or all.

    :raises InvalidInput: something is wrong with it; all that is found, by line.
    """
    what = f"the document {document}" if bundle is None else f"{FILE} of bundle {bundle}"
    read, wrong = _read(text, repository=bundle is not None)
    if wrong:
        raise wrong_file(what, wrong)

    def work(session: Session) -> Tried:
        wanted = None if dag_ids is None else set(dag_ids)
        rows = {
            dag_id: row
            for dag_id, row in dags.rows(session, wanted).items()
            if not row.retired and (bundle is None or row.bundle_name == bundle)
        }
        now_standing = load(session, rows)
        if bundle is None:
            if taken := names_taken(read, document, now_standing.rules, now_standing.policies):
                raise wrong_file(what, taken)
            then = _with_document(now_standing, document, read, host.unit.now())
        else:
            then = _with_section(now_standing, bundle, read.policies, host.unit.now())
        tags_from = evolve(
            then, former=dict(now_standing.former) | {each.id: each for each in now_standing.policies}
        )
        found, now = subjects(host, session, tags_from, rows), host.unit.now()
        tried = []
        for dag_id, row in sorted(rows.items()):
            before = now_standing.judged(found[dag_id], row.policy_id).choice
            judged = then.judged(found[dag_id], row.policy_id)
            after = judged.choice
            tried.append(
                TriedDag(
                    dag_id=dag_id,
                    policy=after.policy.name,
                    source=after.source.value,
                    steps=plan_words(after.plan),
                    policy_now=before.policy.name,
                    changed=after.plan != before.plan,
                    loosened=judged.loosened or loosens(before.plan, after.plan),
                    waits=bool(judged.loosened),
                    rules=tuple(each.rule.name for each in then.about(found[dag_id])),
                    closed=bool(then.closed(found[dag_id], now)),
                )
            )
        return Tried(
            name=document if bundle is None else bundle,
            source=(PolicySource.PLATFORM if bundle is None else PolicySource.REPOSITORY).value,
            rules=len(read.rules),
            policies=len(read.policies),
            dags=tuple(tried),
        )

    return host.unit.run(work)


def _read(text: bytes, *, repository: bool) -> tuple[ReadPlatform, tuple[Wrong, ...]]:
    if not repository:
        read = read_platform(text)
        return read, read.wrong
    found = pinwheel_yaml.read(text)
    return ReadPlatform(policies=found.policies), found.wrong


def _with_document(standing: Standing, document: str, read: ReadPlatform, now: datetime) -> Standing:
    others = [each for each in standing.rules if each.document != document]
    new = [
        StoredRule(
            id=-1 - at,
            rule=rule,
            document=document,
            actor=NOBODY,
            reason=None,
            at=now,
        )
        for at, rule in enumerate(read.rules)
    ]
    return evolve(
        standing,
        rules=tuple(sorted((*others, *new), key=lambda each: (each.document is None, each.document or ""))),
        policies=_replaced(standing, PolicySource.PLATFORM, document, read.policies, now),
    )


def _with_section(standing: Standing, bundle: str, section: Collection[Policy], now: datetime) -> Standing:
    return evolve(
        standing,
        policies=_replaced(standing, PolicySource.REPOSITORY, bundle, section, now),
        # What is in force for a Dag stays known, as the revision that the new one replaces
        former=dict(standing.former) | {each.id: each for each in standing.policies},
    )


def _replaced(
    standing: Standing, source: PolicySource, document: str, wanted: Collection[Policy], now: datetime
) -> tuple[StoredPolicy, ...]:
    """All policies, those of a document as they would be; one that says the same keeps its revision."""
    own = {
        each.policy.name: each
        for each in standing.policies
        if (each.source, each.document) == (source, document)
    }
    new = [
        own[policy.name]
        if policy.name in own and own[policy.name].policy == policy
        else StoredPolicy(
            id=-1 - at,
            source=source,
            document=document,
            revision=own[policy.name].revision + 1 if policy.name in own else 1,
            policy=policy,
            bundle_version=None,
            actor=NOBODY,
            created_at=now,
        )
        for at, policy in enumerate(wanted)
    ]
    others = [each for each in standing.policies if (each.source, each.document) != (source, document)]
    return tuple(sorted((*others, *new), key=lambda each: (each.source.value, each.document)))
