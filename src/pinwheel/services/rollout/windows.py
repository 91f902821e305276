"""When places of a Dag may be released, at an instant and after it, and which rules say so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.core.errors import InvalidInput, unknown_dag
from pinwheel.core.release.rule import RuleKind, limits
from pinwheel.core.rollout.window import FIRST_YEAR, LAST_YEAR, next_change, next_opening
from pinwheel.core.rollout.window_text import told
from pinwheel.services.ports.host import Host
from pinwheel.services.rules.judging import load, subjects
from pinwheel.store import dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class LimitView:
    """What one rule says about when places of a Dag may be released."""

    rule: str
    kind: RuleKind
    says: str
    """Part of a sentence."""
    closes: bool
    """At the instant that was asked for."""
    override: tuple[str, ...]
    """Who may override it, besides having the right; empty: all who have it."""
    document: str | None
    """The platform's document that has it; None: somebody made it by hand."""
    by: str


@frozen(kw_only=True)
class WindowsView:
    """Whether a place of a Dag may be released at an instant."""

    dag_id: str
    at: datetime
    open: bool
    because: tuple[str, ...]
    """What closes it, freezes first; empty: it is open."""
    next_change: datetime | None
    """When it opens or closes after that; None: not within two years."""
    next_opening: datetime | None
    """The first instant from then on at which it is open; None: not within two years."""
    limits: tuple[LimitView, ...]
    """All windows and freezes that are about the Dag, whether they close it or not."""


def windows(host: Host, dag_id: str, *, at: datetime | None = None) -> WindowsView:
    """Without *at*: now. The rules are those that are in force now.

    :raises NotFound: there is no such Dag.
    :raises InvalidInput: nobody can mean this instant.
    """
    if at is not None and not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise InvalidInput(
            f"Cannot tell the windows of {dag_id}",
            found=f"the year {at.year} is given",
            remedy=f"Give an instant of the years {FIRST_YEAR} to {LAST_YEAR}",
            dag_id=dag_id,
        )

    def work(session: Session) -> WindowsView:
        rows = dags.rows(session, [dag_id])
        if dag_id not in rows:
            raise unknown_dag(dag_id)
        standing = load(session, rows)
        dag = subjects(host, session, standing, rows)[dag_id]
        moment = (at or host.unit.now()).astimezone(UTC)
        all_limits = standing.limits(dag)
        closed = standing.closed(dag, moment)
        return WindowsView(
            dag_id=dag_id,
            at=moment,
            open=not closed,
            because=tuple(hold.said for hold in closed),
            next_change=next_change(all_limits, moment),
            next_opening=next_opening(all_limits, moment),
            limits=tuple(
                LimitView(
                    rule=limit.name,
                    kind=each.rule.kind,
                    says=told(limit.when),
                    closes=limit.when.closes(moment),
                    override=each.rule.override,
                    document=each.document,
                    by=each.actor,
                )
                for each in standing.about(dag)
                for limit in limits([each.rule])
            ),
        )

    return host.unit.run(work)
