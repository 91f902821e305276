"""The section ``policies`` of a repository: with the version that brings it, it is what is offered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pinwheel.core.release.policy import Policy
from pinwheel.services.policy.tell import tell
from pinwheel.services.ports.host import Host
from pinwheel.services.release.outcome import ACTOR
from pinwheel.store import policies
from pinwheel.store.policies import PolicySource

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def take_section(
    host: Host,
    session: Session,
    bundle_name: str,
    section: Sequence[Policy],
    *,
    bundle_version: str,
    author: str | None,
) -> tuple[str, ...]:
    """Let these be all the policies of a bundle's repository; names of those that changed, came or went.

    They are revisions, and select Dags of this bundle only. Which of them is in force for a Dag is decided
    where one of its builds arrives or is released. *author* is whom the version names. The caller holds the
    bundle.
    """
    now, actor = host.unit.now(), (author or ACTOR)[:250]
    changed = policies.replace(
        session,
        PolicySource.REPOSITORY,
        bundle_name,
        section,
        actor=actor,
        bundle_version=bundle_version,
        now=now,
    )
    if changed:
        tell(
            host,
            session,
            now=now,
            actor=actor,
            bundle_name=bundle_name,
            bundle_version=bundle_version,
            policies=changed,
        )
    return changed
