"""Whether the database is ready for Pinwheel, and whether runs and rollouts that wait are looked after."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.services.policy.save import FAULT
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.reads import JudgedRun
from pinwheel.services.run import waiting
from pinwheel.services.upkeep import beat
from pinwheel.store import faults, rollouts, start_rules
from pinwheel.store.tables import metadata

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

TOLD = timedelta(days=7)
"""So long a run that ended unbound is a problem; its event stays."""
NEWEST = 100_000
"""So many of the newest runs of all Dags are looked at for that."""


@frozen(kw_only=True)
class HealthView:
    """What a probe is told. Says nothing of any Dag."""

    missing_tables: tuple[str, ...]
    problems: tuple[str, ...]


def health(host: Host) -> HealthView:
    missing = missing_tables(host)
    return HealthView(
        missing_tables=tuple(missing),
        problems=() if missing else tuple(host.unit.run(lambda session: problems(host, session))),
    )


def missing_tables(host: Host) -> list[str]:
    """Names of our tables that the database does not have, sorted; empty when all is well."""
    return sorted(set(metadata.tables) - set(host.unit.run(host.deployment.own_tables)))


def problems(host: Host, session: Session) -> list[str]:
    """What keeps rollouts from going on, rules from coming into force, and runs that are judged by dates from
    starting, in sentences."""
    return [*_of_rollouts(session), *_of_runs(host, session), *_of_policy_file(session)]


def _of_policy_file(session: Session) -> list[str]:
    if FAULT not in {
        fault.place for fault in faults.listed(session) if fault.bundle_name == faults.PROCESSOR
    }:
        return []
    return [
        "The file that [pinwheel] policy_file names can not be used: what it said before stays in force. "
        "See why: pinwheel policy list"
    ]


def _of_rollouts(session: Session) -> list[str]:
    live = rollouts.live(session)
    if not live or _looked_after(session):
        return []
    return [
        f"No keeper for {beat.SECONDS:.0f} s, and {_counted(live, 'rollout')} on the way: nothing goes on by "
        "itself. Start one: pinwheel dag-processor, or pinwheel keeper"
    ]


def _looked_after(session: Session) -> bool:
    return any(keeper.alive for keeper in beat.keepers(session))


def _of_runs(host: Host, session: Session) -> list[str]:
    dated = len(start_rules.dated(session))
    if not dated:
        return []
    told = []
    if not _looked_after(session):
        told.append(
            f"No keeper for {beat.SECONDS:.0f} s, but the runs of {_counted(dated, 'Dag')} are judged by "
            "their dates: those that need a version row or a retry wait. Start one: pinwheel dag-processor, "
            "or pinwheel keeper"
        )
    number = hindering(host, session)
    if number:
        told.append(
            f"{number} runs wait to be bound, and a scheduler looks at {host.deployment.runs_a_turn()} "
            "queued runs in a turn: they hold up backfills of all Dags. See why: pinwheel keeper status"
        )
    ended = len(ended_unbound(host, session))
    if ended:
        told.append(
            f"{_counted(ended, 'run')} ended without having been bound: a scheduler without Pinwheel's "
            "plugin started them. See which: pinwheel keeper status; run them again: pinwheel clear"
        )
    return told


def hindering(host: Host, session: Session) -> int:
    """How many ordinary runs wait, where these are so many that schedulers may not get to backfills."""
    enough = max(1, host.deployment.runs_a_turn() // 2)
    found = host.reads.unbound_runs(session, ["queued"], waiting.LOOKED_AT)
    ordinary = [run for run in found if run.backfill_id is None]
    if len(ordinary) < enough:
        return 0
    number = len(waiting.why_waiting(host, session, ordinary))
    return number if number >= enough else 0


def ended_unbound(host: Host, session: Session) -> list[JudgedRun]:
    """Runs of dated Dags that ended in the last days with the mark: nothing bound them to their dates."""
    dated = start_rules.dated(session)
    if not dated:
        return []
    since = host.unit.now() - TOLD
    return host.reads.ended_unbound(session, dated, waiting.LOOKED_AT, since, NEWEST)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
