"""Bundles that are configured and can not be made now: told where users look, and tried again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from airflow.dag_processing.bundles.base import BaseDagBundle
from airflow.dag_processing.bundles.manager import DagBundlesManager

from pinwheel.airflow3.bundles import configured
from pinwheel.airflow3.processor.guarded import Boundary
from pinwheel.core import text
from pinwheel.core.errors import HostError
from pinwheel.services.ingest import faults


class Unmade:
    """What a processor does about bundles that it has to do without."""

    def __init__(self, boundary: Boundary, view: Callable[[BaseDagBundle], BaseDagBundle]) -> None:
        self.boundary = boundary
        self._view = view
        self._errors: dict[str, Exception] = {}
        self._missing: set[str] = set()

    def views(self, bundles: Iterable[BaseDagBundle]) -> list[BaseDagBundle]:
        """The bundles as the loop is to see them; one that can not be seen so is left out by itself."""
        views: list[BaseDagBundle] = []
        for bundle in bundles:
            try:
                views.append(self._view(bundle))
            except Exception as error:
                self._errors[bundle.name] = error
            else:
                self._errors.pop(bundle.name, None)
        return views

    def tell(
        self,
        present: Collection[BaseDagBundle],
        only: Collection[str] | None,
        replaced: Mapping[str, HostError],
    ) -> None:
        """Record why each configured bundle is missing among *present*, and take it back for the others."""
        have = {bundle.name for bundle in present}
        made, reasons = configured.made()
        named = (made.keys() | reasons.keys() | self._errors.keys() | replaced.keys()) - {faults.PROCESSOR}
        self._missing = {name for name in named - have if not only or name in only}
        for name in have:
            self.boundary.worked(faults.MAKE, bundle_name=name)
        for name in sorted(self._missing):
            reason = replaced.get(name) or reasons.get(name) or self._errors.get(name)
            if reason is None:
                continue  # It can be made by now: in the next turn it is there.
            self.boundary.caught(faults.MAKE, reason, bundle_name=text.fit(name, text.LABEL))
        if faults.PROCESSOR in replaced:
            self.boundary.caught(faults.MAKE, replaced[faults.PROCESSOR])
        else:
            self.boundary.worked(faults.MAKE)

    def again(self, present: list[BaseDagBundle]) -> None:
        """Add those that can be made by now (a Connection is there, say) to *present*."""
        if not self._missing:
            return
        made, _ = configured.made()
        for name in sorted(self._missing & made.keys()):
            manager = DagBundlesManager()
            views = self.views([manager.get_bundle(name)])
            if not views:
                self.boundary.caught(faults.MAKE, self._errors[name], bundle_name=name)
                continue
            # It has no row in Airflow's table if it could never be made before.
            manager.sync_bundles_to_db(deactivate_missing=False)
            present += views
            self._missing.discard(name)
            self.boundary.worked(faults.MAKE, bundle_name=name)
