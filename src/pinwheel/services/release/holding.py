"""What rules, policies and rollouts hold of Dags, for every place that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.core.records import ManagedDag
from pinwheel.core.release.behind import Lag
from pinwheel.core.release.judged_by import Judged
from pinwheel.core.release.why_held import ruled_by, waits
from pinwheel.core.rollout.hold import Hold, HoldKind
from pinwheel.core.rollout.state import Slot
from pinwheel.services.ports.host import Host
from pinwheel.services.release.loading import load
from pinwheel.services.rules import facts
from pinwheel.services.rules.facts import NOTHING, Known, OfRuns
from pinwheel.services.rules.judging import Standing
from pinwheel.store import dags, rules, stands

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class Ruled:
    """All Dags that there are, as rules, policies and rollouts have them."""

    known: Known = NOTHING
    rows: Mapping[str, ManagedDag]
    """Empty where there is no rule, policy or rollout."""
    holds: Mapping[str, tuple[Hold, ...]]
    """By Dag, what these hold; Dags without it, and retired ones, are left out."""


def of_all(host: Host, session: Session) -> Ruled:
    """One statement where there is no rule, policy or rollout. Else a number of them that grows with the Dags
    only as an ``IN`` list of ids does; and facts are found of those alone of which something may wait.
    """
    if not rules.anything(session, None):
        return Ruled(rows={}, holds={})
    rows = dags.rows(session)
    known = facts.read(session, rows, every=True)
    holds = of_rows(host, session, known, rows, stands.lags(session, rows))
    return Ruled(known=known, rows=rows, holds=holds)


def ruled(host: Host, session: Session) -> Mapping[str, tuple[Hold, ...]]:
    """The holds of :func:`of_all`."""
    return of_all(host, session).holds


def of_rows(
    host: Host,
    session: Session,
    known: Known,
    rows: Mapping[str, ManagedDag],
    lags: Mapping[str, Lag],
) -> dict[str, tuple[Hold, ...]]:
    """By Dag, what its rollout, the rules and its policy hold, of Dags of which rows and lags are known."""
    if known.nothing:
        return {}
    later = {dag_id for dag_id, row in rows.items() if dag_id in lags and lags[dag_id].later}
    some = {
        dag_id: row
        for dag_id, row in rows.items()
        if not row.retired and (dag_id in later or waits(row) or known.live(dag_id, Slot.AHEAD) is not None)
    }
    if not some:
        return {}
    now = host.unit.now()
    loaded = load(host, session, some, others=known.build_ids)
    found = facts.find(host, session, known, loaded, now=now, runs=OfRuns.NONE)
    held = {
        dag_id: ruled_by(
            each.facts,
            each.judged,
            now,
            later=dag_id in later,
            loosened=_loosened(known.standing, each.judged),
        )
        for dag_id, each in found.items()
    }
    return {dag_id: holds for dag_id, holds in held.items() if holds}


def _loosened(standing: Standing, judged: Judged) -> Hold | None:
    """The policy of its repository that holds less than the one by which a Dag is judged."""
    newest = judged.newest
    if not judged.loosened:
        return None
    stored = next((each for each in standing.policies if newest is not None and each.id == newest.id), None)
    return Hold(
        kind=HoldKind.LOOSENED,
        reason=f"it is judged by policy {judged.choice.policy.name} until its next release: what came since "
        f"holds less ({'; '.join(judged.loosened)})",
        since=stored.created_at if stored is not None else None,
        by=stored.actor if stored is not None else None,
    )
