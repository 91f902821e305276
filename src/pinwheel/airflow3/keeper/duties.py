"""What the keeper does, and how often."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial

import structlog
from airflow.configuration import conf

from pinwheel.airflow3.keeper.loop import A_TURN, Duty
from pinwheel.airflow3.keeper.policy_file import PolicyFile
from pinwheel.services.ports.host import Host
from pinwheel.services.release import variants, whole
from pinwheel.services.rollout import advance
from pinwheel.services.rollout.advance import Sweep, Turn
from pinwheel.services.upkeep import beat, repair
from pinwheel.services.upkeep.beat import Beat
from pinwheel.services.upkeep.keeping_runs import Keeping

log = structlog.get_logger(__name__)

RUNS = "keep runs"
"""The lease of what concerns runs: one keeper does it, so that no two wait for each other's locks."""

ROLLOUTS = "advance rollouts"
"""The lease of rollouts: two keepers at once would only look twice."""

POLICIES = "keep the policy file"
"""The lease of the configured file: two keepers that see two states of it do not save them in turns."""

LEAVES = timedelta(seconds=5)
"""Longer than Airflow takes to make a backfill, and short beside the time that its runs wait."""


def duties_of(host: Host, own: Beat) -> list[Duty]:
    """In the order in which they are done in a turn."""
    keeping = Keeping(host, time.monotonic, leaves=LEAVES)
    sweep = Sweep(host)
    policy_file = PolicyFile(host, conf.get("pinwheel", "policy_file", fallback="").strip())
    return [
        Duty(name="beat", interval=beat.EVERY, work=own.beat),
        # First: what is born without the mark meanwhile starts wherever there is no plugin of ours
        Duty(name="restore marks", interval=1.0, work=partial(repair.restore_marks, host), lease=RUNS),
        Duty(
            name="make rows", interval=1.0, work=partial(variants.make_missing, host, failed={}), lease=RUNS
        ),
        Duty(name="bind ahead", interval=1.0, work=keeping.bind_ahead, lease=RUNS),
        Duty(name="mend running runs", interval=1.0, work=keeping.mend_running, lease=RUNS),
        Duty(name="tell what ended unbound", interval=2.0, work=keeping.tell_ended, lease=RUNS),
        Duty(name="mark again", interval=2.0, work=keeping.mark_again, lease=RUNS),
        Duty(name="advance rollouts", interval=1.0, work=partial(_advance, host), lease=ROLLOUTS),
        Duty(name="sweep rollouts", interval=30.0, work=partial(_sweep, sweep), lease=ROLLOUTS),
        # What a rule held follows when that ends, whatever holds the Dag processor
        Duty(name="follow again", interval=5.0, work=repair.FollowRuled(host).look, lease=ROLLOUTS),
        Duty(name="make rows of eras", interval=5.0, work=partial(whole.make_missing, host), lease=RUNS),
        Duty(
            name="read the policy file",
            interval=5.0,
            work=policy_file.look,
            lease=POLICIES if policy_file.path else None,
        ),
    ]


def _advance(host: Host) -> None:
    _tell(advance.turn(host, time.monotonic))
    # What somebody asked for at an instant does not wait for the turn after it.
    wait = advance.soon(host, within=timedelta(seconds=A_TURN))
    if wait is not None:
        time.sleep(wait)
        _tell(advance.turn(host, time.monotonic))


def _sweep(sweep: Sweep) -> None:
    _tell(sweep.look())


def _tell(turn: Turn) -> None:
    for dag_id, error in turn.faults:
        log.warning("A rollout can not go on", dag_id=dag_id, exc_info=error)
