"""Removing what nobody needs any more, so that nothing grows without bound (``docs/retention.md``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from attrs import field, frozen

from pinwheel.core.chunks import chunks
from pinwheel.core.retention import (
    RUNS_DAYS,
    Keep,
    removable_builds,
    removable_parses,
)
from pinwheel.services import once
from pinwheel.services.ports.host import Host
from pinwheel.services.release import variants
from pinwheel.store import prune as store
from pinwheel.store import segments
from pinwheel.store.locking import begin_write, lock_dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

T = TypeVar("T")
K = TypeVar("K")

DAGS = 25
"""Dags that are looked at, and held, in one transaction."""
FILES = 100
ROWS = 500


def plan(host: Host, keep: Keep | None = None) -> dict[str, int]:
    """How many rows of each table :func:`prune` would remove now. Locks and changes nothing.

    Without *keep* as the options say, here and there.
    """
    return _Pass(host, keep or host.deployment.retention(), dry=True).run()


def prune(
    host: Host, keep: Keep | None = None, *, hold: Callable[[Session], object] = lambda session: None
) -> dict[str, int]:
    """Remove what may go, in many short transactions; how many rows of each table went.

    *hold* is called at the start of each with its session, and stops all by raising (a lease that was lost).
    Safe to interrupt, to repeat and beside everything else: what is about to be used is waited for, or is
    found to be gone by whoever wants it.
    """
    return _Pass(host, keep or host.deployment.retention(), hold=hold).run()


@frozen
class _Pass:
    host: Host
    keep: Keep
    hold: Callable[[Session], object] = lambda session: None
    dry: bool = field(default=False, kw_only=True)
    counts: dict[str, int] = field(factory=dict, init=False)
    gone: set[int] = field(factory=set, init=False)
    """Builds that were removed, or would be."""

    def run(self) -> dict[str, int]:
        self._runs()
        self._builds()
        self._parses()
        self._sources()
        now = self.host.unit.now()
        before = self.keep.events_before(now)
        self._rows("pinwheel_event", partial(store.old_events, before=before), store.remove_events)
        self._rows("pinwheel_rollout", partial(store.old_rollouts, before=before), store.remove_rollouts)
        self._rows("pinwheel_verdict", partial(store.old_verdicts, before=before), store.remove_verdicts)
        old_requests = partial(store.old_requests, before=now - once.KEPT)
        self._rows("pinwheel_request", old_requests, store.remove_requests)
        return dict(sorted(self.counts.items()))

    def _transaction(self, work: Callable[[Session], T]) -> T:
        def held(session: Session) -> T:
            if not self.dry:
                begin_write(session)
                self.hold(session)
            return work(session)

        return self.host.unit.run(held)

    def _count(self, table: str, number: int) -> None:
        self.counts[table] = self.counts.get(table, 0) + number

    # First bindings: they name builds

    def _runs(self) -> None:
        before = self.host.unit.now() - timedelta(days=RUNS_DAYS)
        after = ""
        while (found := self.host.unit.run(partial(store.old_runs, before=before, after=after))) is not None:
            after, runs = found
            for chunk in chunks(sorted(runs), ROWS):
                bindings, outcomes = self._transaction(partial(self._some_runs, after, chunk))
                self._count("pinwheel_binding", bindings)
                self._count("pinwheel_outcome", outcomes)

    def _some_runs(self, dag_id: str, run_ids: Sequence[str], session: Session) -> tuple[int, int]:
        left = set(run_ids) - self.host.reads.some_runs(session, dag_id, run_ids).keys()
        counts = store.count_runs(session, dag_id, left)
        if not self.dry:
            store.remove_runs(session, dag_id, left)
        return counts

    def _builds(self) -> None:
        standing = self.host.unit.run(store.standing_parses)
        on_shelf = {build for builds in standing.values() for build in builds}
        after = ""
        while dag_ids := self.host.unit.run(partial(store.dags_after, after=after, limit=DAGS)):
            builds, broken = self._transaction(partial(self._some_builds, dag_ids, on_shelf))
            self.gone.update(builds)
            self._count("pinwheel_build", len(builds))
            self._count("pinwheel_broken_build", broken)
            after = dag_ids[-1]

    def _some_builds(
        self, dag_ids: Sequence[str], on_shelf: set[int], session: Session
    ) -> tuple[set[int], int]:
        if not self.dry:
            lock_dags(session, dag_ids)
        named = store.named_builds(session, dag_ids) | on_shelf
        builds: set[int] = set()
        for facts in store.build_facts(session, dag_ids).values():
            builds |= removable_builds(facts, named, self.keep.builds)
        broken = store.old_broken_builds(session, dag_ids, self.keep.builds)
        if not self.dry:
            variants.remove_needless(self.host, session, dag_ids)
            builds -= segments.with_versions(session, builds)
            store.remove_builds(session, builds)
            store.remove_broken_builds(session, broken)
        return builds, len(broken)

    def _parses(self) -> None:
        after = ("", "")
        while places := self.host.unit.run(partial(store.files_after, after=after, limit=FILES)):
            self._count("pinwheel_parse", self._transaction(partial(self._some_parses, places)))
            after = places[-1]

    def _some_parses(self, places: Sequence[tuple[str, str]], session: Session) -> int:
        facts = store.parse_facts(session, places)
        named = {build for fact in facts for build in fact.builds}
        standing = store.standing_among(session, [fact.id for fact in facts])
        kept = store.existing_builds(session, named) - self.gone
        removable = removable_parses(facts, standing=standing, builds=kept)
        if not self.dry:
            store.remove_parses(session, removable)
        return len(removable)

    def _sources(self) -> None:
        unneeded = self.host.unit.run(store.source_digests)
        last = 0
        while page := self.host.unit.run(partial(store.manifests, after=last, limit=ROWS)):
            for build_id, digests in page:
                if build_id not in self.gone:
                    unneeded -= digests
            last = page[-1][0]
        if self.dry:
            self._count("pinwheel_source", len(unneeded))
            return
        for chunk in chunks(sorted(unneeded), ROWS):
            self._count("pinwheel_source", self._transaction(partial(self._some_sources, chunk, last)))

    def _some_sources(self, digests: Sequence[str], last: int, session: Session) -> int:
        # Held first: of who names one meanwhile, we see the build, or it does not see the source
        unneeded = store.lock_sources(session, digests) - store.manifests_since(session, last)
        store.remove_sources(session, unneeded)
        return len(unneeded)

    def _rows(
        self,
        table: str,
        old: Callable[[Session], list[K]],
        remove: Callable[[Session, Sequence[K]], None],
    ) -> None:
        ids = self.host.unit.run(old)
        if not self.dry:
            for chunk in chunks(ids, ROWS):
                self._transaction(partial(_remove, remove, chunk))
        self._count(table, len(ids))


def _remove(remove: Callable[[Session, Sequence[K]], None], ids: Sequence[K], session: Session) -> None:
    remove(session, ids)
