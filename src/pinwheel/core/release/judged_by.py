"""By which policy a Dag is judged: what was in force before a commit, unless what came with it is stricter.

A repository's policy that holds less than the one in force waits for the Dag's next release under that one.
So no commit drops the gate by which it is judged, and neither do two. The platform's policies are in force at
once.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, frozen

from pinwheel.core.release.loosen import loosens
from pinwheel.core.release.policy import Choice, Offered, Policy, Source, choose
from pinwheel.core.release.rule import Rule, Subject, required, with_required


@frozen(kw_only=True)
class Revision:
    """A policy as it is stored."""

    id: int
    revision: int
    offered: Offered


@frozen(kw_only=True)
class Judged:
    """The policy by which a Dag is judged now."""

    choice: Choice
    """The policy with its plan, the gates that rules require included."""
    in_force: Revision | None
    """The revision that it is; None: the built-in policy."""
    newest: Revision | None
    """That of the repository which is in force from the Dag's next release on; as ``in_force`` where nothing
    waits, None where none of a repository selects the Dag."""
    loosened: tuple[str, ...] = ()
    """What the newest holds less, each as part of a sentence; empty: nothing waits."""


def judged_by(
    revisions: Sequence[Revision], rules: Sequence[Rule], dag: Subject, former: Revision | None
) -> Judged:
    """*revisions* are all that are in force somewhere, *former* the repository's that was for this Dag."""
    choice = choose([each.offered for each in revisions], rules, dag)
    chosen = _revision_of(choice.policy, choice.bundle, revisions)
    of_repository = chosen if choice.source is Source.REPOSITORY else None
    if former is None and of_repository is not None:
        return _first_of_repository(choice, of_repository, revisions, rules, dag)
    if former is None or former.offered.bundle != dag.bundle or choice.source is Source.LOCKED:
        return Judged(choice=choice, in_force=chosen, newest=of_repository)
    if of_repository is not None and of_repository.id == former.id:
        return Judged(choice=choice, in_force=chosen, newest=chosen)
    held = loosens(former.offered.policy.plan, choice.policy.plan)
    if not held:
        return Judged(choice=choice, in_force=chosen, newest=of_repository)
    kept = former.offered.policy
    return Judged(
        choice=evolve(
            choice,
            policy=kept,
            source=Source.REPOSITORY,
            bundle=dag.bundle,
            plan=with_required(kept.plan, required(choice.rules)),
        ),
        in_force=former,
        newest=of_repository,
        loosened=held,
    )


def newest_for(revisions: Sequence[Revision], rules: Sequence[Rule], dag: Subject) -> Revision | None:
    """The revision of its repository's policy that is in force for a Dag from a release on; None: another
    policy is."""
    choice = choose([each.offered for each in revisions], rules, dag)
    if choice.source is not Source.REPOSITORY:
        return None
    return _revision_of(choice.policy, choice.bundle, revisions)


def _first_of_repository(
    choice: Choice, own: Revision, revisions: Sequence[Revision], rules: Sequence[Rule], dag: Subject
) -> Judged:
    """None of its repository was in force for the Dag: the platform's that was is no commit's to drop."""
    before = choose([each.offered for each in revisions if each.offered.bundle is None], rules, dag)
    held = loosens(before.policy.plan, choice.policy.plan) if before.source is not Source.BUILT_IN else ()
    if not held:
        return Judged(choice=choice, in_force=own, newest=own)
    in_force = _revision_of(before.policy, None, revisions)
    return Judged(choice=before, in_force=in_force, newest=own, loosened=held)


def _revision_of(policy: Policy, bundle: str | None, revisions: Sequence[Revision]) -> Revision | None:
    for each in revisions:
        if each.offered.policy is policy and each.offered.bundle == bundle:
            return each
    return None
