"""Takes a bundle version in: it becomes the bundle's head, and what is to be parsed of it is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from airflow.dag_processing.bundles.base import BaseDagBundle
from airflow.dag_processing.bundles.manager import DagBundlesManager
from attrs import evolve

from pinwheel.airflow3.parsing import current_runtime
from pinwheel.airflow3.processor.declarations import Declarations
from pinwheel.airflow3.processor.guarded import Boundary
from pinwheel.airflow3.processor.head import Head, HeadView, Prepared, about_version
from pinwheel.core.errors import RefusedVersion
from pinwheel.core.parse.declared import Declared, Rule
from pinwheel.core.parse.inputs import Inputs, matches, tree_id
from pinwheel.core.parse.plan import Compared, KnownFile, LastParse, Plan, Version, compare, plan
from pinwheel.core.parse.verify import changed_paths
from pinwheel.core.records import DagFile
from pinwheel.core.text import storable
from pinwheel.services.ingest import faults, register, take_version
from pinwheel.services.ingest.take_version import Incoming
from pinwheel.services.ports.host import Host
from pinwheel.store import bundles, files

log = structlog.get_logger(__name__)

REFUSED_VERSION = "(refused version)"
"""What stands for a file where the import error is that of a whole version."""
MOST_CHANGED = 200
"""Changed paths of a version that are remembered, to begin its verification near them."""
KEPT_PATHS = 20
"""Directories of earlier versions, per bundle, from which a parse may still be on its way."""


class Intake:
    """What one Dag processor knows of its bundles' heads and files. Implements ``Desk`` of :mod:`head`."""

    def __init__(
        self,
        host: Host,
        boundary: Boundary,
        *,
        list_files: Callable[[BaseDagBundle], Any],
        heartbeat: Callable[[], None],
        taken: Callable[[str], None],
    ) -> None:
        self.host = host
        self.boundary = boundary
        self.declarations = Declarations(host, boundary)
        self.heads: dict[str, Head] = {}
        self.known: dict[tuple[str, str], KnownFile] = {}
        self.by_path: dict[str, tuple[tuple[str, str, int], tuple[Rule, ...]]] = {}
        self.list_files = list_files
        self.heartbeat = heartbeat
        self._taken = taken
        self._always: dict[str, dict[str, str]] = {}
        self._plans: dict[str, Plan] = {}
        self._refused: dict[str, tuple[str | None, str]] = {}
        self._shown: dict[str, str] = {}

    def view(self, bundle: BaseDagBundle) -> HeadView:
        """The bundle as the processor's loop is to see it."""
        return HeadView(bundle, self)

    # -- for the views ------------------------------------------------------------------------------------

    def seq_before(self, bundle_name: str) -> int:
        return self.host.unit.run(lambda s: bundles.head(s, bundle_name)[1])

    def head_version(self, bundle_name: str) -> str | None:
        return self.host.unit.run(lambda s: bundles.head(s, bundle_name)[0])

    def version_data(self, bundle_name: str, version: str) -> Any:
        key = (bundle_name, version)
        known = self.host.unit.run(lambda s: bundles.versions(s, [key])).get(key)
        return known.version_data if known is not None else None

    def refresh_failed(self, bundle_name: str, error: Exception) -> None:
        if isinstance(error, RefusedVersion) and error.version is not None:
            self._refuse(bundle_name, error.version, str(error))
        else:
            self._refused.pop(bundle_name, None)
            self.boundary.caught(faults.REFRESH, error, bundle_name=bundle_name)
        if isinstance(error, RefusedVersion):
            self._show_refusal(bundle_name, storable(str(error)))

    def refresh_worked(self, bundle_name: str) -> None:
        self._refused.pop(bundle_name, None)
        self._show_refusal(bundle_name, None)
        self.boundary.worked(faults.REFRESH, bundle_name=bundle_name)

    def passed_over(self, bundle_name: str, paths: Sequence[str]) -> None:
        if paths:
            said = (
                f"Cannot parse {len(paths)} Dag files of bundle {bundle_name!r}: their names are not UTF-8, "
                f"{', '.join(map(repr, paths[:5]))}{' and others' if paths[5:] else ''}. Rename them."
            )
            self.boundary.caught("list files", said, bundle_name=bundle_name)
        else:
            self.boundary.worked("list files", bundle_name=bundle_name)

    def take(self, bundle_name: str, prepared: Prepared, expected_seq: int) -> bool:
        """See ``Desk`` of :mod:`head`. Raises what fails; repeated, it goes on where it failed."""
        assert prepared.version is not None
        paths = frozenset(str(getattr(file, "rel_path", file)) for file in prepared.files)
        in_force = self.declarations.at(bundle_name, prepared)
        compared = self._compare(bundle_name, prepared, paths, in_force.declared)
        unchanged = {path: parse.parse_id for path, parse in compared.unchanged.items()}
        taken_in = take_version.take_in(
            self.host,
            Incoming(
                bundle_name=bundle_name,
                version=prepared.version,
                path=str(prepared.path),
                about={
                    "version_data": prepared.version_data,
                    "tree": tree_id(prepared.manifest) or None,
                    **prepared.about,
                },
                files=paths,
                unchanged=unchanged,
                declared=in_force.to_store,
                policies=in_force.policies,
            ),
            expected_seq=expected_seq,
        )
        if taken_in is None:
            return False
        head = Head(
            bundle_name=bundle_name,
            version=prepared.version,
            seq=taken_in.seq,
            path=prepared.path,
            manifest=prepared.manifest,
            declared=in_force.declared,
            changed=self._changed(bundle_name, prepared),
        )
        planned = self._plan(head, compared.without(taken_in.stale))
        # From here on nothing fails: the version is the head for this processor too.
        self._know(bundle_name, planned)
        self.heads[bundle_name] = head
        self._plans[bundle_name] = planned
        self._remember_path(head)
        self._taken(bundle_name)
        self.declarations.taken(bundle_name, prepared, in_force)
        log.info(
            "Took in a bundle version",
            bundle=bundle_name,
            version=head.version,
            files=len(paths),
            to_parse=len(planned.to_parse),
            why={why.value: count for why, count in Counter(planned.to_parse.values()).items()},
        )
        return True

    # -- for the processor --------------------------------------------------------------------------------

    def pop_plan(self, bundle_name: str) -> Plan | None:
        """What is to be done with the files of the version taken in last; None when that was said before."""
        return self._plans.pop(bundle_name, None)

    def at(self, path: str) -> tuple[str, str, int]:
        """Bundle, version and seq of a version's directory; KeyError when it was never taken in here."""
        return self.by_path[path][0]

    def look_at_declared(self, bundle_name: str) -> bool:
        """All files of the head are known: rules that waited for a Dag come into force, or it is told.

        True when other files are declared now, so that there are files to be parsed again.
        """
        head = self.heads[bundle_name]
        declared = self.declarations.known(bundle_name, head.seq)
        if declared is None:
            return False
        self.heads[bundle_name] = evolve(head, declared=declared)
        again = [
            path
            for path, known in self.files_of(bundle_name).items()
            if known.inputs is not None and not matches(known.inputs, head.manifest, declared)
        ]
        for path in again:
            # In this head it was parsed, or tried, under other rules
            self.known[bundle_name, path] = evolve(self.known[bundle_name, path], seq=0, tried=0)
        return bool(again)

    def rules_at(self, path: str) -> tuple[Rule, ...]:
        """The rules that were in force when the version with this directory was taken in."""
        return self.by_path[path][1] if path in self.by_path else ()

    def refused_version(self, bundle_name: str) -> str | None:
        """The bundle's newest version, while it is one that was not taken."""
        return self._refused.get(bundle_name, (None, ""))[0]

    def shows_refusal(self, bundle_name: str) -> bool:
        """Whether the bundle's newest version stands among the import errors."""
        return bundle_name in self._shown

    def files_of(self, bundle_name: str) -> dict[str, KnownFile]:
        return {path: known for (name, path), known in self.known.items() if name == bundle_name}

    def try_to_register(self, bundle_name: str, path: str, seq: int) -> None:
        """A parse of the file in this version is to be registered."""
        known = self.known.get((bundle_name, path), KnownFile())
        self.known[bundle_name, path] = evolve(known, tried=max(known.tried, seq))

    def remember(
        self,
        bundle_name: str,
        path: str,
        seq: int,
        inputs: Inputs | None,
        impure: bool,
        error: str | None,
    ) -> None:
        """What a parse of the file in this version gave."""
        self.known[bundle_name, path] = KnownFile(seq=seq, inputs=inputs, impure=impure, error=error)

    def is_always(self, bundle_name: str, path: str, manifest: Mapping[str, str]) -> bool:
        """Whether the file, as it is there, is to be parsed in each new tree."""
        content = self._always.get(bundle_name, {}).get(path)
        return content is not None and content == manifest.get(path)

    def always(self, bundle_name: str, path: str, content: str) -> None:
        """From now on the file is parsed in each new tree, while this is its content."""
        self._always.setdefault(bundle_name, {})[path] = content

    # -- inside -------------------------------------------------------------------------------------------

    def _refuse(self, bundle_name: str, version: str, said: str) -> None:
        if self._refused.get(bundle_name) == (version, said):
            return
        log.error("Refused a bundle version", bundle=bundle_name, version=version, reason=said)
        try:
            about = self._about_refused(bundle_name, version)
            faults.refuse(self.host, bundle_name=bundle_name, version=version, reason=said, about=about)
        except Exception:
            log.exception("A refusal could not be written down", bundle=bundle_name)
        else:
            self._refused[bundle_name] = (version, said)
            self.boundary.expect(faults.REFRESH, bundle_name=bundle_name)

    def _show_refusal(self, bundle_name: str, said: str | None) -> None:
        """Put a refusal among the import errors, where Airflow's users look first, or take it from there."""
        if self._shown.get(bundle_name) == said:
            return
        errors = {REFUSED_VERSION: {REFUSED_VERSION: said} if said else {}}
        try:
            self.host.unit.run(lambda session: self.host.rows.show_errors(session, bundle_name, errors))
        except Exception:
            log.exception("A refusal could not be shown as an import error", bundle=bundle_name)
            return
        if said:
            self._shown[bundle_name] = said
        else:
            self._shown.pop(bundle_name, None)

    def _about_refused(self, bundle_name: str, version: str) -> dict[str, Any]:
        """Whose version it is: of one that was refused for what it is, that may be all that can be read."""
        try:
            return about_version(DagBundlesManager().get_bundle(bundle_name, version=version), version)
        except Exception:
            return {}

    def _remember_path(self, head: Head) -> None:
        self.by_path[str(head.path)] = (head.bundle_name, head.version, head.seq), head.declared.rules
        old = [path for path, (at, _) in self.by_path.items() if at[0] == head.bundle_name][:-KEPT_PATHS]
        for path in old:
            del self.by_path[path]

    def _compare(
        self, bundle_name: str, prepared: Prepared, paths: frozenset[str], declared: Declared
    ) -> Compared:
        """The files of a version that is to be taken in, by what their last parses read."""
        runtime = current_runtime().fingerprint
        rows = self.host.unit.run(lambda s: files.of_bundle(s, bundle_name))
        self._always[bundle_name] = {path: row.always for path, row in rows.items() if row.always}
        return compare(
            Version(files=paths, manifest=prepared.manifest, runtime=runtime, declared=declared),
            self._last_parses(bundle_name, rows, runtime),
            rows.keys() | self.files_of(bundle_name).keys(),
        )

    def _plan(self, head: Head, compared: Compared) -> Plan:
        """What is to be done with the files of a new version; earlier results are taken over."""
        name = head.bundle_name
        contents = set(compared.contents.values())
        earlier = self.host.unit.run(lambda s: files.earlier_parses(s, name, contents))
        always = {path for path in compared.contents if self.is_always(name, path, head.manifest)}
        planned = plan(compared, earlier, seq=head.seq, always=always)
        taken = register.reuse_all(
            self.host,
            bundle_name=name,
            bundle_version=head.version,
            seq=head.seq,
            files=[(path, parse.parse_id) for path, parse in planned.reused.items()],
            between=self.heartbeat,
        )
        return planned.after(taken)

    def _last_parses(
        self, bundle_name: str, rows: Mapping[str, DagFile], runtime: str
    ) -> dict[str, LastParse]:
        """The last parse of each file. Only what this processor does not remember is read."""
        inputs: dict[int, tuple[Inputs, str]] = {}
        unknown: list[int] = []
        for path, row in rows.items():
            known = self.known.get((bundle_name, path))
            if row.parse_id is None:
                continue
            if known is not None and known.inputs is not None and known.parse_id == row.parse_id:
                # What is remembered with its parse was checked against this process's runtime
                inputs[row.parse_id] = known.inputs, runtime
            else:
                unknown.append(row.parse_id)
        for parse_id, parse in self.host.unit.run(lambda s: files.parses(s, unknown)).items():
            inputs[parse_id] = Inputs.from_json(parse.inputs), parse.runtime
        return {
            path: LastParse(
                parse_id=row.parse_id,
                inputs=inputs[row.parse_id][0],
                runtime=inputs[row.parse_id][1],
                impure=bool(row.impure),
                error=row.error,
            )
            for path, row in rows.items()
            if row.parse_id is not None and row.parse_id in inputs
        }

    def _changed(self, bundle_name: str, prepared: Prepared) -> frozenset[str]:
        before = self.heads.get(bundle_name)
        if before is None or before.version == prepared.version:
            return frozenset(before.changed) if before is not None else frozenset()
        return frozenset(changed_paths(before.manifest, prepared.manifest)[:MOST_CHANGED])

    def _know(self, bundle_name: str, planned: Plan) -> None:
        for path, known in planned.known(self.files_of(bundle_name)).items():
            self.known[bundle_name, path] = known
        for path in planned.gone:
            self.known.pop((bundle_name, path), None)
