"""A platform's file of rules and policies, put in force past the names and events of a document."""

from __future__ import annotations

from typing import Any

from pinwheel.core.parse.policy_yaml import read_platform
from pinwheel.services.ports.host import Host
from pinwheel.store import policies, rollouts, rules
from pinwheel.store.policies import PolicySource


def put_in_force(host: Host, text: str) -> None:
    """No other rule and no other policy of the platform is in force; live rollouts are looked at at once."""
    read = read_platform(text.encode())
    assert not read.wrong, read.wrong

    def work(session: Any) -> None:
        now = host.unit.now()
        rules.lift(session, [each.id for each in rules.live(session)], actor="ops", reason=None, now=now)
        rules.add(session, read.rules, document="test", actor="ops", reason=None, now=now)
        policies.replace(session, PolicySource.PLATFORM, "test", read.policies, actor="ops", now=now)
        rollouts.wake(session, now)

    host.unit.run(work)
