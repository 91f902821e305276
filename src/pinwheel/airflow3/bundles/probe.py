"""Whether a bundle's class refuses a version that does not exist.

A run that is not bound yet has such a version, so that nothing executes it. A class that takes any, or falls
back to its newest, would execute that (Airflow's ``LocalDagBundle`` does).
"""

from __future__ import annotations

from typing import Any

from airflow.configuration import conf
from airflow.dag_processing.bundles.manager import DagBundlesManager

from pinwheel.airflow3.bundles import configured
from pinwheel.airflow3.bundles.versioned import SnapshotBundle
from pinwheel.core.run.mark import marked

UNKNOWN = marked("0" * 40)
"""A version that no bundle has."""
_taken: dict[tuple[str, str], str | None] = {}
"""By configuration and bundle, what it gave for that version; None: it refused."""


def refuses_unknown(bundle_name: str, version: str, data: Any = None) -> bool | None:
    """Whether the bundle says no; True for one that this process does not know.

    *version* is one that there is, with the data that belongs to it. None: nobody can tell now, because the
    bundle says no to that one too: its source does not answer, say.
    """
    found = configured.class_of(bundle_name)
    # Ours look at the text of a version first.
    if found is None or issubclass(found, SnapshotBundle):
        return True
    if _key(bundle_name) not in _taken:
        try:
            bundle = DagBundlesManager().get_bundle(name=bundle_name, version=version)
            if data is not None:
                bundle.version_data = data
            bundle.initialize()
        except Exception:
            return None
    return takes_unknown(bundle_name) is None


def takes_unknown(bundle_name: str) -> str | None:
    """What a bundle says to a version that does not exist, where it takes it; None: it refuses, as it must.

    Found out once per configuration, and believed, so only to be asked when a version that there is was just
    made ready. A class may say that it keeps versions and fall back to its newest.
    """
    key = _key(bundle_name)
    if key not in _taken:
        try:
            bundle = DagBundlesManager().get_bundle(name=bundle_name, version=UNKNOWN)
            bundle.initialize()
        except Exception:
            _taken[key] = None
        else:
            _taken[key] = f"{type(bundle).__name__} took version {UNKNOWN}"
    return _taken[key]


def _key(bundle_name: str) -> tuple[str, str]:
    return conf.get(*configured.OPTION, fallback="") or "", bundle_name
