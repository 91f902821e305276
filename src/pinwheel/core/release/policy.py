"""Policies: the steps on which a place of a Dag is released, and which policy is the Dag's.

Policies come from several sources, of which a stronger one wins. Within a source the most specific selector
wins, and of equal ones the first. Rules are none: the gates that they require come before any policy's steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from attrs import field, frozen

from pinwheel.core.release.rule import ALL, Rule, Subject, about, required, with_required
from pinwheel.core.rollout.steps import Plan
from pinwheel.core.selector import SelectedBy, Selector


class Source(StrEnum):
    """Where a policy comes from, the strongest first."""

    LOCKED = "locked"
    """The platform's, which no repository replaces."""
    REPOSITORY = "repository"
    """The section ``policies`` of a ``pinwheel.yaml``: for Dags of its own bundle."""
    PLATFORM = "platform"
    BUILT_IN = "built-in"


@frozen(kw_only=True)
class Policy:
    """One policy; its name is its own among those of its source."""

    name: str
    dags: Selector
    plan: Plan = field(factory=Plan)
    locked: bool = False
    line: int = field(default=1, eq=False, repr=False)
    """Where it begins in its file."""


AT_ONCE = Policy(name="at-once", dags=ALL)
"""Each new build is released when it arrives: Airflow's own behaviour."""


@frozen(kw_only=True)
class Offered:
    """A policy that is in force somewhere."""

    policy: Policy
    bundle: str | None = None
    """The bundle whose repository has it; None: it is the platform's, or built in."""

    @property
    def source(self) -> Source:
        if self.policy is AT_ONCE:
            return Source.BUILT_IN
        if self.bundle is not None:
            return Source.REPOSITORY
        return Source.LOCKED if self.policy.locked else Source.PLATFORM


_BUILT_IN = Offered(policy=AT_ONCE)
_SOURCES = {
    Source.LOCKED: "locked by the platform",
    Source.REPOSITORY: "of the repository",
    Source.PLATFORM: "of the platform",
}
_SELECTED = {
    SelectedBy.ID: "by its id",
    SelectedBy.GLOB: "by a glob",
    SelectedBy.TAG: "by a tag",
    SelectedBy.BUNDLE: "by its bundle",
    SelectedBy.ALL: "with all others",
}


@frozen(kw_only=True)
class Considered:
    """A policy, and why it is the Dag's or is not."""

    name: str
    source: Source
    selected_by: SelectedBy | None
    """None: it does not select the Dag."""
    chosen: bool
    why: str
    """As part of a sentence."""


@frozen(kw_only=True)
class Choice:
    """The policy of a Dag, and how that came."""

    policy: Policy
    source: Source
    bundle: str | None
    plan: Plan
    """Of the policy, with the gates that rules require."""
    rules: tuple[Rule, ...]
    """All that are about the Dag."""
    chain: tuple[Considered, ...]
    """Each policy: the one that was chosen, the others in their order, those that do not select the Dag."""


def choose(offered: Iterable[Offered], rules: Iterable[Rule], dag: Subject) -> Choice:
    """The policy of a Dag among those that are offered, each source in its order."""
    selecting, others = [], []
    for at, one in enumerate([*offered, _BUILT_IN]):
        by = _selected_by(one, dag)
        if by is None:
            others.append(_considered(one, None, why=_why_not_selected(one, dag)))
        else:
            selecting.append((list(Source).index(one.source), list(SelectedBy).index(by), at, one, by))
    (best, best_by), *lost = [(one, by) for *_, one, by in sorted(selecting, key=lambda each: each[:3])]
    of_dag = about(rules, dag)
    return Choice(
        policy=best.policy,
        source=best.source,
        bundle=best.bundle,
        plan=with_required(best.policy.plan, required(of_dag)),
        rules=of_dag,
        chain=(
            _considered(best, best_by, chosen=True, why=_why_chosen(best, best_by)),
            *(_considered(one, by, why=_why_lost(one, by, best, best_by)) for one, by in lost),
            *others,
        ),
    )


def _selected_by(one: Offered, dag: Subject) -> SelectedBy | None:
    if one.bundle is not None and one.bundle != dag.bundle:
        return None
    return one.policy.dags.selected_by(dag.dag_id, tags=dag.tags, bundle=dag.bundle)


def _considered(one: Offered, by: SelectedBy | None, *, chosen: bool = False, why: str) -> Considered:
    return Considered(name=one.policy.name, source=one.source, selected_by=by, chosen=chosen, why=why)


def _why_chosen(one: Offered, by: SelectedBy) -> str:
    return "no other policy selects the Dag" if one is _BUILT_IN else f"it selects the Dag {_SELECTED[by]}"


def _why_lost(one: Offered, by: SelectedBy, best: Offered, best_by: SelectedBy) -> str:
    if one.source is not best.source:
        return f"{best.policy.name} is {_SOURCES[best.source]}, which is stronger"
    if by is not best_by:
        return f"{best.policy.name} selects the Dag {_SELECTED[best_by]}, this one {_SELECTED[by]} only"
    return f"{best.policy.name} comes before it, and selects the Dag {_SELECTED[by]} too"


def _why_not_selected(one: Offered, dag: Subject) -> str:
    dags = one.policy.dags
    if one.bundle is not None and one.bundle != dag.bundle:
        return f"it is of the repository of bundle {one.bundle}, and the Dag of bundle {dag.bundle}"
    if not dags.names(dag.dag_id):
        return "it names other Dags"
    if dags.bundle and dags.bundle != dag.bundle:
        return f"it selects Dags of bundle {dags.bundle}, and the Dag is of bundle {dag.bundle}"
    return f"it selects Dags tagged {' or '.join(dags.tags)}, and what is active has no such tag"
