"""The Dag processor: Airflow's own loop, with what a parse *means* replaced.

Airflow's manager discovers files, starts parser processes and collects results. This subclass changes
three things: files are read from a directory that belongs to one bundle version; only files whose inputs
changed are parsed; and a result becomes builds instead of going to Airflow's rows.

Bundles that keep no versions are left to the stock behaviour throughout. Whatever a commit holds, the loop
goes on: what can fail happens in a bundle's ``refresh()`` (:mod:`head`), and all other overrides stand
behind a boundary (:mod:`guarded`).
"""

from __future__ import annotations

import signal
import time
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.dag_processing.bundles.base import BaseDagBundle
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.manager import (
    DagFileInfo,
    DagFileProcessorManager,
    DagFileStat,
    process_parse_results,
)
from airflow.sdk import timezone
from airflow.utils.session import create_session
from attrs import evolve

from pinwheel.airflow3 import compat
from pinwheel.airflow3.bundles import configured
from pinwheel.airflow3.bundles.versioned import SnapshotBundle
from pinwheel.airflow3.capsule import store_at_start
from pinwheel.airflow3.host import airflow_host
from pinwheel.airflow3.keeper.child import Child
from pinwheel.airflow3.parsing import TracingProcess
from pinwheel.airflow3.parsing.handover import cpu_seconds_of as cpu_seconds_told
from pinwheel.airflow3.processor import callbacks
from pinwheel.airflow3.processor.duties import Duties
from pinwheel.airflow3.processor.errands import Errands, Unfinished
from pinwheel.airflow3.processor.failed_start import FailedStart
from pinwheel.airflow3.processor.guarded import Boundary, GuardedSelector, describe, guarded
from pinwheel.airflow3.processor.head import Head, HeadView, manifest_of
from pinwheel.airflow3.processor.inbox import Arrivals
from pinwheel.airflow3.processor.intake import REFUSED_VERSION, Intake
from pinwheel.airflow3.processor.results import NO_RESULT, broken_file, parsed_file, timed_out_file
from pinwheel.airflow3.processor.trials import TrialParse, Trials
from pinwheel.airflow3.processor.unmade import Unmade
from pinwheel.airflow3.processor.unmanaged import Unmanaged
from pinwheel.airflow3.processor.verifier import Verification, Verifier, cpu_seconds_of
from pinwheel.airflow3.rows import bundle_rows
from pinwheel.core.parse.declared import declare, in_repository
from pinwheel.core.parse.inputs import Inputs
from pinwheel.core.parse.plan import Done, Pace, Why, due
from pinwheel.core.text import visible
from pinwheel.services.ingest import adopt, faults, settle

if TYPE_CHECKING:
    from airflow.callbacks.callback_requests import CallbackRequest


def _nothing(self: Any, *args: Any, **kwargs: Any) -> None:
    return None


def _no_files(self: Any, *args: Any, **kwargs: Any) -> list[Any]:
    return []


class PinwheelProcessorManager(DagFileProcessorManager):
    """Parses bundle versions into builds."""

    WITHOUT_BOUNDARY: ClassVar[dict[str, str]] = {
        "__init__": "runs before the loop: what fails here is told by the command",
        "prepare_process_context": "runs before the loop",
        "sync_bundles": "runs before the loop",
        "prepare_bundles": "runs before the loop; adoption has a boundary of its own",
        "persist_parsing_result": "Airflow guards it: what it raises is the file's",
        "after_run": "runs after the loop",
        "get_all_bundles": "runs before the loop; a bundle that can not be made is left out by itself",
    }
    """Overrides that Airflow's loop does not call, each with the reason why it needs no boundary."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.host = airflow_host()
        self.boundary = Boundary(self.host)
        self.duties = Duties(self.host, self.boundary)
        self.arrivals = Arrivals(self.host, is_coming=self._is_coming)
        self.unmanaged = Unmanaged(self.host)
        self.intake = Intake(
            self.host,
            self.boundary,
            list_files=super()._find_files_in_bundle,
            heartbeat=lambda: self.heartbeat(),  # Airflow sets it after this.
            taken=self._taken,
        )
        self.verifier = Verifier(self.host, self.intake, older_manifest=self._older_manifest)
        self.unmade = Unmade(self.boundary, self.intake.view)
        self._asked: dict[str, float] = {}
        self._errands = Errands(wait=1.0)
        self.trials = Trials(self.host, self._errands, has=lambda name: name in self.heads)
        self._waiting_callbacks: list[CallbackRequest] = []
        self.keeper: Child | None = None

    @property
    def heads(self) -> dict[str, Head]:
        """The newest version of each bundle that keeps versions."""
        return self.intake.heads

    def version_of(self, bundle_name: str) -> str | None:
        """The version that the loop works on; None where there is none."""
        head = self.heads.get(bundle_name)
        return head.version if head is not None else None

    def _taken(self, bundle_name: str) -> None:
        self.duties.bundle_advanced(bundle_name)
        self.verifier.wake()

    # Before the loop

    def prepare_process_context(self) -> None:
        super().prepare_process_context()
        self.selector = GuardedSelector()

    def prepare_bundles(self) -> None:
        replaced = configured.use_stand_ins()
        super().prepare_bundles()
        self.log.info("Parsing makes builds; releases decide what runs (Pinwheel)")
        self.boundary.load()
        self.unmade.tell(self._dag_bundles, self.bundle_names_to_parse, replaced)
        self._part("configured", self.duties.keep_configured)
        try:
            adopted = adopt.adopt(self.host)
        except Exception as error:
            self.boundary.caught("adopt", error)
        else:
            self.boundary.worked("adopt")
            if adopted:
                self.log.info("Adopted %d Dags as they are", len(adopted))
        if not self.bundle_names_to_parse:
            self._part("inactive", self.duties.retire_unconfigured)

    def sync_bundles(self) -> None:
        # Airflow's would mark inactive what can not be made just now, and forget its import errors and teams.
        manager = DagBundlesManager()
        manager.sync_bundles_to_db(deactivate_missing=False)
        self._part("reassign", manager.reassign_dags_with_unconfigured_bundles)

    def get_all_bundles(self) -> list[BaseDagBundle]:
        return self.unmade.views(super().get_all_bundles())

    def after_run(self) -> None:
        super().after_run()
        self.duties.end()
        self.verifier.end()

    # Bundles

    @guarded(lambda self, bundle, **_: False, bundle=lambda bundle, **_: bundle.name)
    def should_skip_refresh(self, *, bundle: BaseDagBundle, **kwargs: Any) -> bool:
        if isinstance(bundle, HeadView) and bundle.wants_a_look:
            return False
        return bool(super().should_skip_refresh(bundle=bundle, **kwargs))

    @guarded(lambda self, bundle: bundle.files, bundle=lambda bundle: bundle.name)
    def _find_files_in_bundle(self, bundle: HeadView) -> Any:
        return bundle.files

    @guarded(lambda self, present: {str(info.rel_path) for info in present})
    def _get_observed_filelocs(self, present: set[DagFileInfo]) -> set[str]:
        observed: set[str] = super()._get_observed_filelocs(present)
        return observed

    @guarded(_nothing, bundle=lambda bundle_name, **_: bundle_name)
    def clear_orphaned_import_errors(
        self, bundle_name: str, observed_filelocs: set[str], **kwargs: Any
    ) -> None:
        if self.intake.shows_refusal(bundle_name):
            observed_filelocs = observed_filelocs | {REFUSED_VERSION}
        super().clear_orphaned_import_errors(
            bundle_name=bundle_name, observed_filelocs=observed_filelocs, **kwargs
        )

    @guarded(_nothing, bundle=lambda bundle_name, **_: bundle_name)
    def deactivate_deleted_dags(self, bundle_name: str, present: set[DagFileInfo]) -> None:
        """Called once per new bundle version with all its files: queue those that are to be parsed."""
        if bundle_name not in self.heads:
            super().deactivate_deleted_dags(bundle_name=bundle_name, present=present)
            self.unmanaged.forget_others(bundle_name, {str(info.rel_path) for info in present})
            return
        plan = self.intake.pop_plan(bundle_name)
        if plan is None:
            return
        now, done = timezone.utcnow(), plan.done
        for info in present:
            if str(info.rel_path) in done:
                # With a statistic the base class does not take the file for a new one.
                self._file_stats[info] = DagFileStat(last_finish_time=now, run_count=max(self.max_runs, 1))
        to_parse = [info for info in present if str(info.rel_path) in plan.to_parse]
        to_parse.sort(key=lambda info: str(info.rel_path), reverse=True)
        self._add_files_to_queue(to_parse, mode="front")

    @guarded(_nothing)
    def handle_removed_files(self, known_files: dict[str, set[DagFileInfo]]) -> None:
        # Airflow knows a file by bundle and path (`presence_key`): it would end the parses and callbacks of
        # versions that have files which the newest one lacks. What names its version is not to be ended.
        elsewhere = {
            info
            for info in [*self._file_queue, *self._processors, *self._callback_to_execute]  # type: ignore[has-type]
            if info.bundle_version is not None
        }
        super().handle_removed_files(known_files={**known_files, "": elsewhere})
        # A queued file keeps the directory it was queued with; it is to be read from the newest one.
        newest = {info.presence_key: info for infos in known_files.values() for info in infos}
        self._file_queue = OrderedDict(
            (newest.get(info.presence_key, info) if info.bundle_version is None else info, None)
            for info in list(self._file_queue)  # type: ignore[has-type]
        )

    @guarded(_nothing)
    def _resort_file_queue(self) -> None:
        """Nothing: our files have one order, and looking for their times fails on a dangling link."""

    @guarded(_nothing)
    def print_stats(self, known_files: dict[str, set[DagFileInfo]]) -> None:
        super().print_stats(known_files=known_files)

    # What Airflow asks the database in each turn of the loop

    @guarded(_no_files)
    def claim_priority_files(self) -> list[DagFileInfo]:
        return super().claim_priority_files() if self._time_to("claim files") else []

    @guarded(_no_files)
    def fetch_callbacks(self) -> list[CallbackRequest]:
        if not self._time_to("fetch callbacks"):
            return []
        waiting, self._waiting_callbacks = self._waiting_callbacks, []
        try:
            return [*waiting, *super().fetch_callbacks()]
        except Exception as error:
            self._waiting_callbacks = waiting
            if lost := self.host.unit.run(callbacks.drop_unreadable):
                raise callbacks.Unreadable(lost) from error
            raise

    @guarded(_nothing, bundle=lambda request: str(request.bundle_name))
    def prepare_callback_bundle(self, request: CallbackRequest) -> BaseDagBundle | None:
        # Before its version is used: `_add_callback_to_queue` reads it off the request afterwards.
        if own := self.host.unit.run(lambda session: callbacks.version_of_its_run(session, request)):
            request.bundle_version = own
        view = next((b for b in self._dag_bundles if b.name == request.bundle_name), None)
        if request.bundle_version is None and isinstance(view, HeadView) and view.name in self.heads:
            return view
        version = (request.bundle_name, request.bundle_version)
        try:
            # One that is not on this machine has to be fetched
            bundle = self._errands.ask(version, partial(super().prepare_callback_bundle, request))
        except Unfinished:
            self._waiting_callbacks.append(request)
            return None
        if bundle is not None:
            # Airflow asks for it outside of any `try`; of a malformed version it raises.
            _ = bundle.path
        return bundle

    def _time_to(self, ask: str) -> bool:
        """Whether half a second has passed since it was last asked.

        The idle loop turns once a second; while files are parsed it turns with each message of a parser,
        and would spend more time on these questions than parsers and registrations need.
        """
        now = time.monotonic()
        if now - self._asked.get(ask, float("-inf")) < 0.5:
            return False
        self._asked[ask] = now
        return True

    # What to parse

    @guarded(_nothing)
    def prepare_file_queue(self, known_files: dict[str, set[DagFileInfo]]) -> None:
        stock = {name: infos for name, infos in known_files.items() if name not in self.heads}
        super().prepare_file_queue(known_files=stock)
        queue: list[DagFileInfo] = []
        now = timezone.utcnow()
        apart = (Verification, TrialParse)
        running = {info.presence_key for info in self._processors if not isinstance(info, apart)}
        stats = {info.presence_key: stat for info, stat in self._file_stats.items()}
        for name, infos in known_files.items():
            head = self.heads.get(name)
            if head is not None:
                queue += [
                    info
                    for info in infos
                    if info.presence_key not in running
                    and self._due(head, info, stats.get(info.presence_key), now)
                ]
        queue.sort(key=lambda info: str(info.rel_path))
        self._add_files_to_queue(queue, mode="back")
        if not self._file_queue and self.max_runs <= 0 and len(self._processors) < self._parallelism:
            self._part("verify", self._verify)

    def _verify(self) -> None:
        at_work = self.verifier.at_work
        if at_work is not None and at_work not in self._processors:
            self.verifier.put_back(at_work)
        verification = self.verifier.next()
        if verification is not None:
            self._add_files_to_queue([verification], mode="back")

    @guarded(_nothing)
    def _start_new_processes(self) -> None:
        """No real parse waits for a verification."""
        if any(not isinstance(info, Verification) for info in self._file_queue):
            for info in [info for info in self._file_queue if isinstance(info, Verification)]:
                del self._file_queue[info]
                self.verifier.put_back(info)
            if len(self._processors) >= self._parallelism:
                for info in [info for info in self._processors if isinstance(info, Verification)]:
                    self._stop_verifying(info)
        super()._start_new_processes()

    def _stop_verifying(self, verification: Verification) -> None:
        process = self._processors.pop(verification)
        used = cpu_seconds_of(process)
        process.kill(signal.SIGKILL)
        process.close()
        self.verifier.put_back(verification, used)

    def _due(self, head: Head, info: DagFileInfo, stat: DagFileStat | None, now: datetime) -> Why | None:
        known = self.intake.known.get((head.bundle_name, str(info.rel_path)))
        done = Done(runs=stat.run_count, last=stat.last_finish_time) if stat is not None else Done()
        pace = Pace(interval=self._file_process_interval, max_runs=self.max_runs)
        return due(known, done, seq=head.seq, pace=pace, now=now)

    # What a parse gave

    @guarded(
        lambda self, dag_file: FailedStart(
            "The process that runs this file's callbacks could not be started."
        ),
        bundle=lambda dag_file: dag_file.bundle_name,
    )
    def _create_process(self, dag_file: DagFileInfo) -> Any:
        if self._callback_to_execute.get(dag_file):
            return super()._create_process(dag_file)
        try:
            if dag_file.bundle_name not in self.heads:
                return super()._create_process(dag_file)
            return TracingProcess.create(self, dag_file, super()._create_process)
        except Exception as error:
            # It is the file's (too long a name for its log, say), and is shown as its import error.
            self.log.warning(
                "A parser could not be started for %s", visible(str(dag_file.rel_path)), exc_info=True
            )
            return FailedStart(
                f"The process that parses this file could not be started: {describe(error)}.", callbacks=False
            )

    @guarded(_nothing, bundle=lambda file, *_, **__: file.bundle_name)
    def handle_parsing_result(self, file: DagFileInfo, proc: Any, **kwargs: Any) -> None:
        if isinstance(file, Verification):
            self._verified(file, proc)
            return
        if isinstance(file, TrialParse):
            self._tried(file, proc)
            return
        if file.bundle_name not in self.heads:
            place = (file.bundle_name, str(file.rel_path))
            if proc.parsing_result is None and not proc.had_callbacks:
                self.unmanaged.refuse(*place, proc.error if isinstance(proc, FailedStart) else NO_RESULT)
            self.unmanaged.take_out(*place, proc.parsing_result)
            super().handle_parsing_result(file, proc, **kwargs)
            self.unmanaged.show(*place)
            return
        callbacks_only = proc.had_callbacks and proc.parsing_result is None
        seconds = time.monotonic() - proc.start_time
        stat = process_parse_results(
            run_duration=seconds,
            finish_time=timezone.utcnow(),
            run_count=self._file_stats[file].run_count,
            bundle_name=file.bundle_name,
            parsing_result=proc.parsing_result,
            is_callback_only=callbacks_only,
            relative_fileloc=str(file.rel_path),
            team_name=self._get_team_name(file.bundle_name),
        )
        if callbacks_only:
            former = self._file_stats[file]
            stat.last_finish_time, stat.num_dags = former.last_finish_time, former.num_dags
        else:
            # First: whatever happens to the result, the file is not parsed again at once.
            self._file_stats[file] = stat
            self._arrive(file, proc, seconds)
        self._file_stats[file] = stat

    def persist_parsing_result(
        self,
        *,
        bundle_name: str,
        parsing_result: Any,
        relative_fileloc: str | None,
        session: Any,
        **kwargs: Any,
    ) -> None:
        """Of a file in an unversioned bundle. What can not be stored is shown as its import error."""
        try:
            super().persist_parsing_result(
                bundle_name=bundle_name,
                parsing_result=parsing_result,
                relative_fileloc=relative_fileloc,
                session=session,
                **kwargs,
            )
            session.flush()
        except Exception as error:
            # Airflow takes it from here, and only logs it; but it commits the session.
            session.rollback()
            self.unmanaged.not_stored(bundle_name, str(relative_fileloc), error)
            raise

    def _arrive(self, file: DagFileInfo, proc: Any, seconds: float) -> None:
        """Take the result of a finished parse; one that can not be taken is a broken build that says why."""
        name, version, seq = self.intake.at(str(file.bundle_path))
        head, path = self.heads[name], str(file.rel_path)
        self.intake.try_to_register(name, path, seq)
        at = head if head.version == version else self._older(name, version, seq, Path(str(file.bundle_path)))
        if isinstance(proc, FailedStart):
            self.arrivals.add(broken_file(at, path, proc.error))
            return
        try:
            always = self.intake.is_always(name, path, at.manifest)
            parsed = parsed_file(at, path, proc, seconds, always=always)
        except Exception as error:
            self.log.warning(
                "The parse of %s in bundle %s can not be used", visible(path), name, exc_info=True
            )
            parsed = broken_file(at, path, f"What this file's parse gave can not be used: {describe(error)}.")
        self.arrivals.add(parsed)

    def _verified(self, verification: Verification, proc: Any) -> None:
        """Take the result of a verification. Its file's own statistics stay as they are."""
        seconds = time.monotonic() - proc.start_time
        told = cpu_seconds_told(proc.parsing_result)
        used = told if told is not None else seconds
        name, version, seq = self.intake.at(str(verification.bundle_path))
        head = self.heads[name]
        if isinstance(proc, FailedStart):
            self.verifier.gave_up(verification, 0.0)
        elif (head.version, head.seq) != (version, seq):
            self.verifier.put_back(verification, used)
        else:
            try:
                parsed = parsed_file(head, str(verification.rel_path), proc, seconds)
            except Exception:
                self.verifier.gave_up(verification, used)
                raise
            found = self.verifier.take(verification, head, parsed, used)
            if found is not None:
                self.arrivals.add(found)

    def _try_builds(self) -> None:
        """Look at builds that somebody asks about."""
        self.trials.lost(lambda file: file in self._file_queue or file in self._processors)
        files = self.trials.due()
        if files:
            self._add_files_to_queue(list(files), mode="frontprio")

    def _tried(self, file: TrialParse, proc: Any) -> None:
        """Take the result of a trial parse, which is of no version that is taken in."""
        if isinstance(proc, FailedStart):
            self.trials.gave_up(file, proc.error)
            return
        name, path = file.bundle_name, Path(str(file.bundle_path))
        try:
            at = self._older(name, str(file.bundle_version), 0, path)
            parsed = parsed_file(at, str(file.rel_path), proc, time.monotonic() - proc.start_time)
        except Exception as error:
            self.trials.gave_up(file, f"what its parse gave can not be used: {describe(error)}")
            raise
        self.trials.take(file, parsed)

    def _is_coming(self, bundle_name: str, path: str) -> bool:
        """Whether this Dag file of the newest version is still to be parsed; if so, it is parsed next."""
        known, head = self.intake.known.get((bundle_name, path)), self.heads.get(bundle_name)
        if known is None or head is None or known.seq >= head.seq:
            return False

        def find(infos: Any) -> DagFileInfo | None:
            return next((i for i in infos if (i.bundle_name, str(i.rel_path)) == (bundle_name, path)), None)

        if (
            find(info for info in self._processors if not isinstance(info, (Verification, TrialParse)))
            is not None
        ):
            return True
        queued = find(self._file_queue)
        if queued is not None:
            self._add_files_to_queue([queued], mode="frontprio")
        return queued is not None

    def _older(self, bundle_name: str, version: str, seq: int, path: Path) -> Head:
        """A version that was the head when a parse began in its directory."""
        source = self._source(bundle_name)
        at = Head(bundle_name=bundle_name, version=version, seq=seq, path=path, manifest={})
        if source is None:
            return at
        manifest = manifest_of(source, version)
        rules = self.intake.rules_at(str(path))
        declared = declare(rules, in_repository(manifest, source.subdir), source.subdir)
        return evolve(at, manifest=manifest, declared=declared)

    def _older_manifest(self, bundle_name: str, version: str) -> Mapping[str, str]:
        source = self._source(bundle_name)
        return manifest_of(source, version) if source is not None else {}

    def _source(self, bundle_name: str) -> SnapshotBundle | None:
        view = next((b for b in self._dag_bundles if b.name == bundle_name), None)
        inner = view.inner if isinstance(view, HeadView) else None
        return inner if isinstance(inner, SnapshotBundle) else None

    def _register(self) -> None:
        """Turn the parses that arrived into builds. What fails for now is tried again later."""
        stats = {(info.bundle_name, str(info.rel_path)): stat for info, stat in self._file_stats.items()}
        for parsed in self.arrivals.register():
            if parsed.seq != self.heads[parsed.bundle_name].seq:
                continue
            inputs, impure = Inputs.from_json(parsed.inputs), bool(parsed.impure)
            self.intake.remember(parsed.bundle_name, parsed.path, parsed.seq, inputs, impure, parsed.error)
            stat = stats.get((parsed.bundle_name, parsed.path))
            if stat is not None and not impure:
                # Parsing it again could give nothing new: it counts as parsed as often as was asked for.
                stat.run_count = max(stat.run_count, self.max_runs)

    @guarded(_nothing)
    def _kill_timed_out_processors(self) -> None:
        before = dict(self._processors)
        used = {i: cpu_seconds_of(p) for i, p in before.items() if isinstance(i, Verification)}
        super()._kill_timed_out_processors()
        for file in before.keys() - self._processors.keys():
            if isinstance(file, Verification):
                self._file_stats.pop(file, None)
                self.verifier.gave_up(file, used[file])
            elif isinstance(file, TrialParse):
                self._file_stats.pop(file, None)
                self.trials.gave_up(file, f"parsing it took longer than {self.processor_timeout:g} seconds")
            elif file.bundle_name in self.heads and not before[file].had_callbacks:
                name, version, seq = self.intake.at(str(file.bundle_path))
                head = self.heads[name]
                if head.version == version:
                    path = str(file.rel_path)
                    self.arrivals.add(timed_out_file(head, path, self.processor_timeout))
                    self.intake.remember(name, path, seq, None, True, "timed out")

    # Keeping Airflow's rows as they were released

    @guarded(_nothing)
    def deactivate_stale_dags(self, last_parsed: dict[DagFileInfo, datetime | None]) -> None:
        stock = {info: at for info, at in last_parsed.items() if info.bundle_name not in self.heads}
        self.duties.keep_configured()
        with create_session() as session:
            # One transaction: a pinned Dag of a bundle that was removed is never seen to be stale.
            before = bundle_rows.stale_releases(session)
            super().deactivate_stale_dags(last_parsed=stock, session=session)
            bundle_rows.wake(session, bundle_rows.stale_releases(session) - before)

    @guarded(_nothing)
    def purge_inactive_dag_warnings(self) -> None:
        # The one overridable call at the end of each turn of the loop. Each part has a boundary of its own:
        # one that fails in every turn must not keep the others from their work.
        if self.keeper is not None:
            self.keeper.see_to()
        if self._time_to("purge warnings"):
            self._part("purge warnings", super().purge_inactive_dag_warnings)
        if self.arrivals.due(more_to_come=bool(self._file_queue) and self.max_runs < 0):
            self._part("register", self._register)
        for name, head in list(self.heads.items()):
            if self.duties.unsettled(name, head.seq):
                self._part("settle", lambda head=head: self._settle(head), bundle_name=name)
        for name in self.intake.declarations.due():
            self._part("declared inputs", partial(self._look_at_declared, name), bundle_name=name)
        if self._time_to("try builds"):
            self._part("try builds", self._try_builds)
        self._part("make again", lambda: self.unmade.again(self._dag_bundles))
        self._part("upkeep", lambda: self.duties.turn(self._dag_bundles, self.bundle_names_to_parse))

    def _part(self, place: str, work: Any, *, bundle_name: str = faults.PROCESSOR) -> None:
        try:
            work()
        except Exception as error:
            version = self.version_of(bundle_name)
            self.boundary.caught(place, error, bundle_name=bundle_name, version=version)
        else:
            self.boundary.worked(place, bundle_name=bundle_name)

    def _settle(self, head: Head) -> None:
        entries = self.intake.files_of(head.bundle_name)
        if all(known.seq >= head.seq for known in entries.values()):
            settle.settle(
                self.host,
                bundle_name=head.bundle_name,
                seq=head.seq,
                paths=set(entries),
                grace_seconds=self.stale_dag_threshold,
            )
            has_impure = any(known.impure for known in entries.values())
            self.duties.settled(head.bundle_name, head.seq, has_impure=has_impure)
            self._look_at_declared(head.bundle_name)

    def _look_at_declared(self, bundle_name: str) -> None:
        if self.intake.look_at_declared(bundle_name):
            self.duties.bundle_advanced(bundle_name)


def run(bundle_names: list[str] | None = None, num_runs: int = -1) -> None:
    """Run the Dag processor in this process until it is told to stop (SIGTERM, SIGINT)."""
    from airflow.jobs.dag_processor_job_runner import DagProcessorJobRunner
    from airflow.jobs.job import run_job

    store_at_start()
    # Before Airflow reads the configuration, for the job's teams, say.
    configured.use_stand_ins()
    processor = PinwheelProcessorManager(max_runs=num_runs, bundle_names_to_parse=bundle_names)
    runner = DagProcessorJobRunner(job=compat.processor_job(bundle_names), processor=processor)
    keeper = processor.keeper = Child()
    try:
        run_job(job=runner.job, execute_callable=runner._execute)
    finally:
        keeper.end()
