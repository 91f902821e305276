"""What of rules and policies is told to somebody who may not see every Dag."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from pinwheel.core.records import ManagedDag
from pinwheel.core.release.rule import Subject
from pinwheel.core.selector import Selector
from pinwheel.services import once
from pinwheel.services.ports.host import Host
from pinwheel.services.rules.judging import Standing, subjects
from pinwheel.store import dags
from pinwheel.store.policies import StoredPolicy
from pinwheel.store.rules import StoredRule

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def as_seen(
    host: Host,
    session: Session,
    rules: Sequence[StoredRule],
    policies: Sequence[StoredPolicy],
    sees: once.Sees,
) -> tuple[tuple[StoredRule, ...], tuple[StoredPolicy, ...]]:
    """The rules and policies without the ids of Dags that may not be seen; without those that name Dags, and
    select none that may be seen."""
    named = Standing(
        rules=tuple(each for each in rules if each.rule.dags.ids),
        policies=tuple(each for each in policies if each.policy.dags.ids),
    )
    if named.nothing:
        return tuple(rules), tuple(policies)
    rows = dags.rows(session)
    ids = _ids(each.rule.dags for each in named.rules) | _ids(each.policy.dags for each in named.policies)
    seen = set(sees(sorted(ids | rows.keys())))
    rows = {dag_id: row for dag_id, row in rows.items() if dag_id in seen}
    looked = _Looked(rows=rows, subjects=subjects(host, session, named, rows))
    return (
        tuple(
            evolve(each, rule=evolve(each.rule, dags=only_seen(each.rule.dags, seen)))
            for each in rules
            if looked.told(each.rule.dags, None)
        ),
        tuple(
            evolve(each, policy=evolve(each.policy, dags=only_seen(each.policy.dags, seen)))
            for each in policies
            if looked.told(each.policy.dags, each.offered.bundle)
        ),
    )


def only_seen(selector: Selector, seen: set[str]) -> Selector:
    """Which Dags are meant, without the ids of those that may not be seen."""
    return evolve(selector, ids=tuple(dag_id for dag_id in selector.ids if dag_id in seen))


def _ids(selectors: Iterable[Selector]) -> set[str]:
    return {dag_id for selector in selectors for dag_id in selector.ids}


@frozen(kw_only=True)
class _Looked:
    """The Dags that may be seen."""

    rows: Mapping[str, ManagedDag]
    subjects: Mapping[str, Subject]

    def told(self, selector: Selector, bundle: str | None) -> bool:
        """*bundle*: its repository has it, and it is about no other's Dags."""
        return not selector.ids or any(
            selector.selected_by(dag.dag_id, tags=dag.tags, bundle=dag.bundle) is not None
            for dag in self._candidates(selector)
            if bundle in (None, dag.bundle)
        )

    def _candidates(self, selector: Selector) -> Iterator[Subject]:
        """Those that are named first: mostly one of them tells."""
        yield from (self.subjects[dag_id] for dag_id in selector.ids if dag_id in self.subjects)
        if selector.globs:
            yield from (dag for dag in self.subjects.values() if not self.rows[dag.dag_id].retired)
