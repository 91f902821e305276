"""What the Dag processor does between parses so that a held Dag stays as healthy as a parsed one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from airflow.configuration import conf
from airflow.dag_processing.bundles.base import BaseDagBundle
from airflow.dag_processing.bundles.manager import DagBundlesManager
from attrs import frozen

from pinwheel.airflow3.bundles import configured
from pinwheel.airflow3.bundles.versioned import SnapshotBundle
from pinwheel.airflow3.leases import give_up
from pinwheel.airflow3.processor.errands import Errands, Unfinished
from pinwheel.airflow3.processor.guarded import Boundary
from pinwheel.airflow3.processor.head import HeadView
from pinwheel.airflow3.reads import runs
from pinwheel.airflow3.rows import bundle_rows, drift, kept_assets
from pinwheel.core import text
from pinwheel.services.ingest import faults, settle
from pinwheel.services.ports.host import Host
from pinwheel.services.release import keeping
from pinwheel.services.run import bindings
from pinwheel.services.upkeep import prune, repair
from pinwheel.services.upkeep.lease import Lease, Lost
from pinwheel.store import dags
from pinwheel.store import keeping as store

BATCH = 25
"""Dags whose rows are looked at, and written anew if need be, in one turn of the loop: so it stays short."""

A_TURN = 5.0
"""Seconds within which a task of a watched run begins at most one try that the look at it missed."""
RUNS = 500
"""Outcomes that are recorded in one turn of the loop."""
LOOK_BACK = 10_000
"""So many of the newest runs a processor looks at when it starts: for what ended while none was there."""
COMPARE_ANYWAY = 3600.0
"""Seconds after which it is looked for releases that became too old, and for runs that are gone."""
ASK_AGAIN = 5.0
"""Seconds after which a duty is asked for again that another processor has, or that is still being done."""
PRUNE_INTERVAL = 24 * 3600.0
FIRST_PRUNE = 120.0
"""Seconds from the start on: it is busy enough."""
UPKEEP, PRUNING, RETIRING = "upkeep", "prune", "retire"
"""The leases: what belongs together is done by one processor."""

log = structlog.get_logger(__name__)


@frozen
class _Protected:
    """What was protected of a bundle last, and by what it is seen that this may have changed."""

    mark: tuple[Any, ...]
    at: float
    """When runs were looked through."""
    versions: set[str]
    of_runs: set[str]
    """Those that Airflow has runs on."""


class Duties:
    """Timers over the upkeep services. Each processor has one; the services lock what they change.

    What concerns the whole deployment is done by the one processor that holds its lease. What tends this
    machine's disk, or what this process knows, each does for itself.
    """

    def __init__(self, host: Host, boundary: Boundary) -> None:
        self.host = host
        self.boundary = boundary
        self._drift_interval = conf.getfloat("pinwheel", "drift_check_interval", fallback=3.0)
        self._assert_interval = conf.getint("pinwheel", "assert_interval", fallback=300)
        self._parse_interval = float(conf.getint("dag_processor", "min_file_process_interval", fallback=30))
        self._last: dict[str, float] = {}
        self._settled: dict[str, tuple[int, float | None]] = {}
        self._unpinned: dict[str, datetime] = {}
        self._paused: dict[str, bool] = {}
        self._asserted: dict[str, str] = {}
        self._running: set[int] = set()
        self._recorded_at = float("-inf")
        self._look_back = LOOK_BACK
        self._protected: dict[str, _Protected] = {}
        self._errands = Errands(wait=1.0)
        self._leases = {name: Lease(host, name) for name in (UPKEEP, PRUNING, RETIRING)}
        self._begun = time.monotonic()

    def bundle_advanced(self, bundle_name: str) -> None:
        self._settled.pop(bundle_name, None)
        self._last.pop("protect", None)
        self._last.pop("follow", None)

    def unsettled(self, bundle_name: str, seq: int) -> bool:
        """Whether the bundle version still has to be compared with the Dags that came from the bundle."""
        settled, again_at = self._settled.get(bundle_name, (0, None))
        return settled != seq or (again_at is not None and time.monotonic() >= again_at)

    def settled(self, bundle_name: str, seq: int, *, has_impure: bool) -> None:
        # Files that read from outside the bundle gain and lose Dags without a new version.
        again_at = time.monotonic() + self._parse_interval if has_impure else None
        self._settled[bundle_name] = (seq, again_at)

    def turn(self, dag_bundles: Sequence[BaseDagBundle], only: list[str] | None) -> None:
        """One turn: each duty whose time has come."""
        self._every("faults", 60.0, self.boundary.load)
        self._every("unpinned", self._drift_interval, self._look_again_at_unpinned)
        self._every("protect", 30.0, lambda: self._protect(dag_bundles))
        self._every("configured", self._drift_interval, self.keep_configured)
        # One of several processors does these
        self._every("follow", self._drift_interval, lambda: repair.follow_again(self.host), UPKEEP)
        self._every("drift", self._drift_interval, lambda: repair.repair_drift(self.host), UPKEEP)
        self._every("bindings", 1.0, self._record_runs, UPKEEP)
        self._every("assets", 1.0, self._keep_assets, UPKEEP)
        self._every("health", self._parse_interval, self._heal, UPKEEP)
        self._every("assert", 1.0, self._assert_some, UPKEEP)
        # Kept between two times: so no other does it in between
        self._every("keep prune", ASK_AGAIN, self._leases[PRUNING].have)
        self._every("prune", PRUNE_INTERVAL, self._prune, PRUNING)
        if not only:
            # A processor of some bundles may know no others, as Airflow has it too.
            self._every("inactive", 60.0, self.retire_unconfigured, RETIRING)

    def end(self) -> None:
        """Let other processors do what this one does, at once."""
        give_up(self._leases.values())

    def _every(self, duty: str, interval: float, work: Callable[[], Any], lease: str | None = None) -> None:
        now = time.monotonic()
        if now - self._last.get(duty, self._never(duty)) < interval:
            return
        try:
            if lease is not None and not self._leases[lease].have():
                # Whoever has it may end at any time
                self._last[duty] = now - interval + min(interval, ASK_AGAIN)
                return
            self._last[duty] = now
            work()
        except (Unfinished, Lost):
            self._last[duty] = now - interval + min(interval, ASK_AGAIN)
        except Exception as error:
            self._last[duty] = now
            self.boundary.caught(duty, error)
        else:
            self.boundary.worked(duty)

    def _record_runs(self) -> None:
        """What versions runs use and what they came to, where no scheduler recorded it."""
        now = time.monotonic()
        if now - self._recorded_at > A_TURN:
            # What was seen running is old: another processor had the duty, or this one did something long.
            self._running.clear()
        self._recorded_at = now
        watched = set(self._running)
        bindings.record_bindings(self.host, self._running)
        recorded = bindings.record_outcomes(self.host, watched, newest=self._look_back, limit=RUNS)
        if recorded < RUNS:
            self._look_back = bindings.LATELY

    def _keep_assets(self) -> None:
        """Those that runs on another build than the active one need."""
        if self.host.unit.run(kept_assets.unsettled):
            self.host.unit.run(kept_assets.settle)

    def _never(self, duty: str) -> float:
        """When a duty that was never done counts as done last."""
        return self._begun + FIRST_PRUNE - PRUNE_INTERVAL if duty == "prune" else float("-inf")

    def _prune(self) -> None:
        lease = self._leases[PRUNING]
        went = self._errands.ask(PRUNING, lambda: prune.prune(self.host, hold=lease.hold))
        if any(went.values()):
            log.info("Removed what nobody needs any more", **went)

    def _heal(self) -> None:
        waiting = set(self.host.unit.run(drift.waiting_for_a_parse))
        paused = self.host.unit.run(drift.paused_asset_consumers)
        waiting |= {
            dag_id for dag_id, is_paused in paused.items() if self._paused.get(dag_id, is_paused) != is_paused
        }
        self._paused = paused
        repair.reassert(self.host, sorted(waiting))

    def _look_again_at_unpinned(self) -> None:
        """A pin kept Dags that are gone from their bundle; without it they are to be retired."""
        unpinned = self.host.unit.run(dags.last_unpinned)
        for name, at in unpinned.items():
            if self._unpinned.get(name) != at:
                self._settled.pop(name, None)
        self._unpinned = unpinned

    def _assert_some(self) -> None:
        before = self.host.unit.now() - timedelta(seconds=self._assert_interval)
        due = self.host.unit.run(lambda session: drift.due_for_assertion(session, before, BATCH))
        repair.keep_asserted(self.host, due, self._asserted)

    def _protect(self, dag_bundles: Sequence[BaseDagBundle]) -> None:
        for view in dag_bundles:
            bundle = view.inner if isinstance(view, HeadView) else view
            if not isinstance(bundle, SnapshotBundle) or not bundle.is_initialized:
                continue
            try:
                # It may have to fetch, and pushes to the mirror_url
                done = self._errands.ask(bundle.name, partial(self._protect_one, bundle))
            except Unfinished:
                continue
            except Exception as error:
                self.boundary.caught("protect", error, bundle_name=bundle.name)
            else:
                self._protected[bundle.name] = done
                self.boundary.worked("protect", bundle_name=bundle.name)

    def _protect_one(self, bundle: SnapshotBundle) -> _Protected:
        mark = self.host.unit.run(partial(store.mark, bundle_name=bundle.name))
        known, now = self._protected.get(bundle.name), time.monotonic()
        if known is None or now - known.at >= COMPARE_ANYWAY:
            # All runs are looked through, so not for each commit
            of_runs, at = self.host.unit.run(partial(runs.versions, bundle_name=bundle.name)), now
        elif known.mark == mark:
            return known
        else:
            of_runs, at = known.of_runs, known.at
        needed = self.host.unit.run(lambda session: keeping.protected(self.host, session, bundle.name))
        if known is None or needed | of_runs != known.versions | known.of_runs:
            bundle.protect(needed | of_runs)
        return _Protected(mark=mark, at=at, versions=needed, of_runs=of_runs)

    def keep_configured(self) -> None:
        """Nothing that is configured counts as removed in Airflow's rows, though it can not be made now."""
        named = configured.names()
        self.host.unit.run(lambda session: bundle_rows.keep_active(session, named))

    def retire_unconfigured(self) -> None:
        """Retire the Dags of bundles that the configuration does not name, but for pinned ones."""
        named = configured.names() | set(DagBundlesManager().get_all_bundle_names())
        self.host.unit.run(lambda session: bundle_rows.mark_removed(session, named))
        for name in self.host.unit.run(lambda session: bundle_rows.removed(session, named)):
            self.host.unit.run(partial(self._retire_all, name))
        faults.forget_removed(self.host, {text.fit(name, text.LABEL) for name in named})

    def _retire_all(self, bundle_name: str, session: Any) -> None:
        rows = dags.rows(session, dags.ids_of_bundle(session, bundle_name))
        gone = [dag_id for dag_id, row in rows.items() if not row.retired]
        settle.retire(self.host, session, gone, reason=f"bundle {bundle_name} is no longer configured")
