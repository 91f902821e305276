"""The Dag processor: Airflow's own loop, with what a parse *means* replaced.

Airflow's manager discovers files, starts parser processes and collects results. This subclass changes
three things: files are read from a directory that belongs to one bundle version; only files whose inputs
changed are parsed; and a result becomes builds instead of going to Airflow's rows.

Bundles that keep no versions are left to the stock behaviour throughout.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.dag_processing.bundles.base import BaseDagBundle
from airflow.dag_processing.manager import (
    BundleState,
    DagFileInfo,
    DagFileProcessorManager,
    DagFileStat,
    process_parse_results,
)
from airflow.sdk import timezone

from pinwheel.airflow3 import compat
from pinwheel.airflow3.arrivals import Arrivals
from pinwheel.airflow3.bundles.snapshot import SnapshotBundle
from pinwheel.airflow3.heads import Head, KnownFile, SnapshotView, manifest_of
from pinwheel.airflow3.host import AirflowHost
from pinwheel.airflow3.keeper import Keeper
from pinwheel.airflow3.parsing import TracingProcess, current_environment
from pinwheel.airflow3.results import parsed_file, timed_out_file
from pinwheel.core.inputs import Inputs, matches
from pinwheel.services import adopt, presence, register
from pinwheel.store import bundles, files

if TYPE_CHECKING:
    from airflow.callbacks.callback_requests import CallbackRequest


class PinwheelProcessorManager(DagFileProcessorManager):
    """Parses bundle versions into builds."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.host = AirflowHost()
        self.heads: dict[str, Head] = {}
        self.known: dict[tuple[str, str], KnownFile] = {}
        self.expected_seq: dict[str, int] = {}
        self.by_path: dict[str, tuple[str, str, int]] = {}
        self._asked: dict[str, float] = {}
        self.keeper = Keeper(self.host)
        self.arrivals = Arrivals(self.host)

    # Bundles

    def prepare_bundles(self) -> None:
        super().prepare_bundles()
        self.log.info("Parsing makes builds; releases decide what runs (Pinwheel)")
        adopted = adopt.adopt(self.host)
        if adopted:
            self.log.info("Adopted %d Dags as they are", len(adopted))

    def get_all_bundles(self) -> list[BaseDagBundle]:
        return [
            SnapshotView(bundle)
            if bundle.supports_versioning and not isinstance(bundle, SnapshotBundle)
            else bundle
            for bundle in super().get_all_bundles()
        ]

    def get_bundle_state(self, bundle_name: str, **kwargs: Any) -> BundleState | None:
        # Called right before a bundle is fetched: what is fetched after this is at least as new as what
        # any processor recorded by now, which makes the compare-and-set in `_advance` safe.
        self.expected_seq[bundle_name] = self.host.run(lambda s: bundles.head(s, bundle_name)[1])
        return super().get_bundle_state(bundle_name, **kwargs)

    def deactivate_deleted_dags(self, bundle_name: str, present: set[DagFileInfo]) -> None:
        """Called once per new bundle version with all its files: decide which of them to parse."""
        bundle = self._bundle(bundle_name)
        if bundle is None or not bundle.supports_versioning:
            super().deactivate_deleted_dags(bundle_name=bundle_name, present=present)
            return
        if self._advance(bundle):
            self._plan(bundle_name, present)

    def _bundle(self, bundle_name: str) -> BaseDagBundle | None:
        return next((b for b in self._dag_bundles if b.name == bundle_name), None)

    def _advance(self, bundle: BaseDagBundle) -> bool:
        """Record the bundle's version as its newest. False when another processor was faster: fetch again."""
        from airflow.dag_processing.bundles.base import unpack_bundle_version

        version, data = unpack_bundle_version(bundle.get_current_version(), bundle)
        assert version is not None
        info: dict[str, Any] = {"version_data": data}
        if isinstance(bundle, SnapshotBundle):
            about = bundle.version_info(version)
            info |= {
                "author": about.author,
                "message": about.message,
                "committed_at": about.committed_at,
                "label": about.label,
            }
        path = bundle.path
        seq = self.host.run(
            lambda s: bundles.advance(
                s,
                bundle.name,
                version,
                expected_seq=self.expected_seq.get(bundle.name, 0),
                now=self.host.now(),
                path=str(path),
                info=info,
            )
        )
        if seq is None:
            self._bundle_versions.pop(bundle.name, None)
            self.request_bundle_refresh(bundle.name)
            return False
        self.heads[bundle.name] = Head(
            bundle_name=bundle.name,
            version=version,
            seq=seq,
            path=path,
            manifest=manifest_of(bundle, version),
        )
        self.by_path[str(path)] = (bundle.name, version, seq)
        self.keeper.bundle_advanced(bundle.name)
        return True

    # What Airflow asks the database in each turn of the loop

    def claim_priority_files(self) -> list[DagFileInfo]:
        return super().claim_priority_files() if self._time_to("claim files") else []

    def fetch_callbacks(self) -> list[CallbackRequest]:
        return super().fetch_callbacks() if self._time_to("fetch callbacks") else []

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

    def _plan(self, bundle_name: str, present: set[DagFileInfo]) -> None:
        """Sort the files of a new version: unchanged, known from an earlier parse, or to be parsed."""
        head = self.heads[bundle_name]
        environment = current_environment().fingerprint
        rows = self.host.run(lambda s: files.of_bundle(s, bundle_name))
        inputs = self._inputs(bundle_name, rows, environment)
        unchanged, changed, to_parse = [], [], []
        for info in present:
            path = str(info.rel_path)
            found = inputs.get(path)
            if found is not None and matches(found, head.manifest):
                row = rows[path]
                self._remember(bundle_name, path, head.seq, found, bool(row.impure), row.error, row.parse_id)
                unchanged.append(info)
            else:
                changed.append(info)
        earlier = self._earlier(head, [str(info.rel_path) for info in changed])
        reused = self._reuse(head, [str(info.rel_path) for info in changed], environment, earlier)
        for info in changed:
            path = str(info.rel_path)
            if path in reused:
                unchanged.append(info)
            else:
                impure = path in rows and bool(rows[path].impure)
                known = self.known.setdefault(
                    (bundle_name, path), KnownFile(seq=0, inputs=None, impure=impure)
                )
                known.seq = 0
                to_parse.append(info)
        paths = {str(info.rel_path) for info in present}
        for key in [k for k in self.known if k[0] == bundle_name and k[1] not in paths]:
            del self.known[key]
        self.host.run(
            lambda s: files.touch(
                s,
                bundle_name,
                [str(info.rel_path) for info in unchanged],
                seq=head.seq,
                version=head.version,
            )
        )
        now = timezone.utcnow()
        for info in unchanged:
            # With a statistic the base class does not take the file for a new one.
            self._file_stats[info] = DagFileStat(last_finish_time=now, run_count=max(self.max_runs, 1))
        self.log.info(
            "Bundle %s version %s: %d files, %d to parse",
            bundle_name,
            head.version,
            len(present),
            len(to_parse),
        )
        to_parse.sort(key=lambda info: str(info.rel_path), reverse=True)
        self._add_files_to_queue(to_parse, mode="front")

    def _inputs(self, bundle_name: str, rows: Mapping[str, Any], environment: str) -> dict[str, Inputs]:
        """The inputs of each file's newest parse, but for parses in another environment."""
        found: dict[str, Inputs] = {}
        unknown: dict[int, str] = {}
        for path, row in rows.items():
            known = self.known.get((bundle_name, path))
            if row.parse_id is None:
                continue
            if known is not None and known.inputs is not None and known.parse_id == row.parse_id:
                found[path] = known.inputs
            else:
                unknown[row.parse_id] = path
        for parse_id, parse in self.host.run(lambda s: files.parses(s, unknown)).items():
            if parse.environment == environment:
                found[unknown[parse_id]] = Inputs.from_json(parse.inputs)
        return found

    def _earlier(self, head: Head, paths: Iterable[str]) -> dict[str, list[Any]]:
        digests = {head.manifest[path] for path in paths if path in head.manifest}
        return self.host.run(lambda s: files.earlier_parses(s, head.bundle_name, digests))

    def _reuse(
        self, head: Head, paths: Iterable[str], environment: str, earlier: Mapping[str, list[Any]]
    ) -> set[str]:
        """Take the results of earlier parses of the same contents, where there are such; the files taken."""
        found: dict[str, tuple[Any, Inputs]] = {}
        for path in paths:
            for row in earlier.get(head.manifest.get(path, ""), ()):
                inputs = Inputs.from_json(row.inputs)
                if (
                    row.relative_fileloc == path
                    and row.environment == environment
                    and not row.impure
                    and matches(inputs, head.manifest)
                ):
                    found[path] = (row, inputs)
                    break
        taken = register.reuse_all(
            self.host,
            bundle_name=head.bundle_name,
            bundle_version=head.version,
            seq=head.seq,
            files=[(path, row.id) for path, (row, _) in found.items()],
            between=self.heartbeat,
        )
        for path in taken:
            row, inputs = found[path]
            self._remember(head.bundle_name, path, head.seq, inputs, False, row.error, row.id)
        return taken

    def _remember(
        self,
        bundle_name: str,
        path: str,
        seq: int,
        inputs: Inputs | None,
        impure: bool,
        error: str | None,
        parse_id: int | None = None,
    ) -> None:
        self.known[(bundle_name, path)] = KnownFile(
            seq=seq, inputs=inputs, impure=impure, error=error, parse_id=parse_id
        )

    def handle_removed_files(self, known_files: dict[str, set[DagFileInfo]]) -> None:
        super().handle_removed_files(known_files=known_files)
        # A queued file keeps the directory it was queued with; it is to be read from the newest one.
        newest = {info.presence_key: info for infos in known_files.values() for info in infos}
        self._file_queue = OrderedDict(
            (newest.get(info.presence_key, info) if info.bundle_version is None else info, None)
            for info in list(self._file_queue)  # type: ignore[has-type]
        )

    def prepare_file_queue(self, known_files: dict[str, set[DagFileInfo]]) -> None:
        stock = {name: infos for name, infos in known_files.items() if name not in self.heads}
        super().prepare_file_queue(known_files=stock)
        due: list[DagFileInfo] = []
        now = timezone.utcnow()
        running = {info.presence_key for info in self._processors}
        stats = {info.presence_key: stat for info, stat in self._file_stats.items()}
        for name, infos in known_files.items():
            head = self.heads.get(name)
            if head is not None:
                due += [
                    info
                    for info in infos
                    if info.presence_key not in running
                    and self._due(head, info, stats.get(info.presence_key), now)
                ]
        due.sort(key=lambda info: str(info.rel_path))
        self._add_files_to_queue(due, mode="back")

    def _due(self, head: Head, info: DagFileInfo, stat: DagFileStat | None, now: datetime) -> bool:
        known = self.known.get((head.bundle_name, str(info.rel_path)))
        if stat is not None and 0 < self.max_runs <= stat.run_count:
            return False
        last = stat.last_finish_time if stat is not None else None
        waited = last is None or (now - last).total_seconds() >= self._file_process_interval
        if known is None:
            return waited
        if known.seq < head.seq:
            # Not parsed in this version yet; or parsed, but it could not be registered: not at once again.
            return known.tried < head.seq or waited
        return known.impure and waited

    # What a parse gave

    def _create_process(self, dag_file: DagFileInfo) -> Any:
        if dag_file.bundle_name not in self.heads or self._callback_to_execute.get(dag_file):
            return super()._create_process(dag_file)
        return TracingProcess.create(self, dag_file, super()._create_process)

    def handle_parsing_result(self, file: DagFileInfo, proc: Any, **kwargs: Any) -> None:
        if file.bundle_name not in self.heads:
            super().handle_parsing_result(file, proc, **kwargs)
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
            self._arrive(file, proc, seconds)
        self._file_stats[file] = stat

    def _arrive(self, file: DagFileInfo, proc: Any, seconds: float) -> None:
        """Take the result of a finished parse. An error is logged; the file is tried again later."""
        name, version, seq = self.by_path[str(file.bundle_path)]
        head = self.heads[name]
        known = self.known.setdefault((name, str(file.rel_path)), KnownFile(seq=0, inputs=None, impure=False))
        known.tried = max(known.tried, seq)
        try:
            manifest = head.manifest
            if head.version != version:
                bundle = self._bundle(name)
                assert bundle is not None
                manifest = manifest_of(bundle, version) if isinstance(bundle, SnapshotBundle) else {}
            at = Head(
                bundle_name=name,
                version=version,
                seq=seq,
                path=Path(str(file.bundle_path)),
                manifest=manifest,
            )
            self.arrivals.add(parsed_file(at, str(file.rel_path), proc, seconds))
        except Exception:
            self.log.exception("Failed to take in the parse of %s in bundle %s", file.rel_path, name)

    def _register(self) -> None:
        """Turn the parses that arrived into builds. What fails is tried again later."""
        stats = {(info.bundle_name, str(info.rel_path)): stat for info, stat in self._file_stats.items()}
        for parsed in self.arrivals.register():
            if parsed.seq != self.heads[parsed.bundle_name].seq:
                continue
            inputs, impure = Inputs.from_json(parsed.inputs), bool(parsed.impure)
            self._remember(parsed.bundle_name, parsed.path, parsed.seq, inputs, impure, parsed.error)
            stat = stats.get((parsed.bundle_name, parsed.path))
            if stat is not None and not impure:
                # Parsing it again could give nothing new: it counts as parsed as often as was asked for.
                stat.run_count = max(stat.run_count, self.max_runs)

    def _kill_timed_out_processors(self) -> None:
        before = dict(self._processors)
        super()._kill_timed_out_processors()
        for file in before.keys() - self._processors.keys():
            if file.bundle_name in self.heads and not before[file].had_callbacks:
                name, version, seq = self.by_path[str(file.bundle_path)]
                head = self.heads[name]
                if head.version == version:
                    register.register(
                        self.host, timed_out_file(head, str(file.rel_path), self.processor_timeout)
                    )
                    self._remember(name, str(file.rel_path), seq, None, True, "timed out")

    # Keeping Airflow's rows as they were released

    def deactivate_stale_dags(self, last_parsed: dict[DagFileInfo, datetime | None], **kwargs: Any) -> None:
        stock = {info: at for info, at in last_parsed.items() if info.bundle_name not in self.heads}
        super().deactivate_stale_dags(last_parsed=stock, **kwargs)

    def purge_inactive_dag_warnings(self) -> None:
        # The one overridable call at the end of each turn of the loop.
        if self._time_to("purge warnings"):
            super().purge_inactive_dag_warnings()
        try:
            if self.arrivals.due(more_to_come=bool(self._file_queue) and self.max_runs < 0):
                self._register()
            self._settle()
            self.keeper.turn(self._dag_bundles, self.bundle_names_to_parse)
        except Exception:
            self.log.exception("Pinwheel's checks failed; they are tried again in the next turn")

    def _settle(self) -> None:
        for name, head in self.heads.items():
            if not self.keeper.unsettled(name, head.seq):
                continue
            entries = {path: known for (bundle, path), known in self.known.items() if bundle == name}
            if all(known.seq >= head.seq for known in entries.values()):
                presence.settle(
                    self.host,
                    bundle_name=name,
                    seq=head.seq,
                    paths=set(entries),
                    grace_seconds=self.stale_dag_threshold,
                )
                self.keeper.settled(name, head.seq, has_impure=any(k.impure for k in entries.values()))


def run(bundle_names: list[str] | None = None, num_runs: int = -1) -> None:
    """Run the Dag processor in this process until it is told to stop (SIGTERM, SIGINT)."""
    from airflow.jobs.dag_processor_job_runner import DagProcessorJobRunner
    from airflow.jobs.job import run_job

    runner = DagProcessorJobRunner(
        job=compat.processor_job(bundle_names),
        processor=PinwheelProcessorManager(max_runs=num_runs, bundle_names_to_parse=bundle_names),
    )
    run_job(job=runner.job, execute_callable=runner._execute)
