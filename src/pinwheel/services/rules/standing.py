"""Dags that do not follow to newer versions by themselves, because of a rule, a policy or a rollout."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pinwheel.core.release.rule import required
from pinwheel.core.rollout.state import Slot
from pinwheel.services.ports.host import Host
from pinwheel.services.rules import facts, judging
from pinwheel.store import dags, rules

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def still(host: Host, session: Session, dag_ids: Collection[str]) -> set[str]:
    """Those of these Dags that stand: a window or a freeze is closed for them, a rollout of theirs has not
    ended, or a step of their policy comes before its release and it does not say that they follow.

    One statement where there is none of these.
    """
    if not dag_ids or not rules.anything(session, dag_ids):
        return set()
    rows = dags.rows(session, dag_ids)
    known, now = facts.read(session, rows), host.unit.now()
    found = set()
    for dag_id, subject in judging.subjects(host, session, known.standing, rows).items():
        choice = known.standing.judged(subject, rows[dag_id].policy_id).choice
        # No policy says that a Dag follows past what a rule requires.
        follows = choice.plan.follow and not required(choice.rules)
        if (
            not (choice.plan.at_once or follows)
            or any(known.live(dag_id, slot) is not None for slot in Slot)
            or known.standing.closing(subject, now)
        ):
            found.add(dag_id)
    return found
