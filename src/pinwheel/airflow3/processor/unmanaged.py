"""Results of bundles that keep no versions, which go Airflow's own way but for Dags that are managed.

Airflow's own way would write a managed Dag's row anew at each parse, and Pinwheel would put it back. And of
what it can not write, or of a parse without a result, it would say nothing but in its log.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pinwheel.core import text
from pinwheel.core.errors import Refused
from pinwheel.services.ingest import duplicates
from pinwheel.services.ingest.refusing import words
from pinwheel.services.ports.host import Host
from pinwheel.store.refusals import may_pass


class Unmanaged:
    """What one Dag processor knows of Dags in unversioned bundles that are managed from another bundle."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._held: dict[str, dict[str, dict[str, str]]] = {}
        """By bundle and file the Dags that were taken out, with the bundle and file that they belong to."""
        self._shown: dict[str, dict[str, dict[str, str]]] = {}
        self._errors: dict[tuple[str, str], str] = {}
        """Import errors that files have of their own, until it is shown what is to be added."""
        self._refused: dict[tuple[str, str], str] = {}
        """Why nothing of a file could be taken, until it is shown."""
        self._told: dict[tuple[str, str], str] = {}

    def take_out(self, bundle_name: str, path: str, result: Any) -> None:
        """Take Dags that are managed elsewhere from a parsing result that Airflow is about to write."""
        if result is None:
            return
        of_file = {dag.dag_id for dag in result.serialized_dags}
        owners = duplicates.managed_elsewhere(self.host, bundle_name, of_file)
        held = self._held.setdefault(bundle_name, {})
        held.pop(path, None)
        self._errors[(bundle_name, path)] = (result.import_errors or {}).get(path, "")
        if owners:
            held[path] = owners
            result.serialized_dags = [dag for dag in result.serialized_dags if dag.dag_id not in owners]
            result.warnings = _without(result.warnings, owners)

    def refuse(self, bundle_name: str, path: str, reason: str) -> None:
        """Take note of why a file gave nothing; :meth:`show` shows it."""
        self._refused[(bundle_name, path)] = reason

    def not_stored(self, bundle_name: str, path: str, error: Exception) -> None:
        """Take note that Airflow could not write what a file gave, unless the same may work later."""
        if not may_pass(error):
            refused = Refused(
                f"Cannot store what {path} gave",
                found=words(error),
                remedy="Change what the file says there; until then its Dags stay as they were",
            )
            self.refuse(bundle_name, path, refused.message)

    def show(self, bundle_name: str, path: str) -> None:
        """Show what was refused or taken out, after Airflow wrote the rest: as an import error of the file.

        Not as one of the result, for which Airflow would take the file's other Dags off the air, and anew
        each time, since Airflow takes away what is not in the result.
        """
        place = (bundle_name, path)
        owners = self._held.get(bundle_name, {}).get(path)
        own, refused = self._errors.pop(place, ""), self._refused.pop(place, "")
        if owners or refused:
            reasons = [own, duplicates.reason_of(path, owners) if owners else "", refused]
            error = text.fit_end("\n\n".join(filter(None, reasons)), text.ERROR)
            news = self._told.get(place) != error
            name = text.fit(path, text.PATH)
            self.host.unit.run(
                lambda s: self.host.rows.show_errors(s, bundle_name, {name: {name: error}}, tell=news)
            )
            self._told[place] = error
        else:
            self._told.pop(place, None)
        self._record(bundle_name)

    def forget_others(self, bundle_name: str, paths: Collection[str]) -> None:
        """Forget files that are gone from the bundle, and what an earlier process showed of it."""
        held = self._held.setdefault(bundle_name, {})
        for path in held.keys() - set(paths):
            del held[path]
        for place in [place for place in self._told if place[0] == bundle_name and place[1] not in paths]:
            del self._told[place]
        self._record(bundle_name)

    def _record(self, bundle_name: str) -> None:
        held = self._held.get(bundle_name, {})
        if self._shown.get(bundle_name) != held:
            duplicates.show(self.host, bundle_name, held)
            self._shown[bundle_name] = dict(held)


def _without(warnings: Any, owners: Mapping[str, str]) -> Any:
    if not warnings:
        return warnings
    return [w for w in warnings if not (isinstance(w, Mapping) and w.get("dag_id") in owners)]
