"""Whether a bundle's class refuses a version that does not exist.

A run that is not bound yet has such a version, so that nothing executes it. A class that takes any, or falls
back to its newest, would execute that (Airflow's ``LocalDagBundle`` does).
"""

from __future__ import annotations

from airflow.dag_processing.bundles.manager import DagBundlesManager

from pinwheel.airflow3.bundles import configured
from pinwheel.airflow3.bundles.versioned import SnapshotBundle
from pinwheel.core.run.mark import marked

_UNKNOWN = marked("0" * 40)


def refuses_unknown(bundle_name: str) -> bool:
    """Whether the bundle says no; True for one that this process does not know."""
    found = configured.class_of(bundle_name)
    # Ours look at the text of a version first.
    if found is None or issubclass(found, SnapshotBundle):
        return True
    try:
        DagBundlesManager().get_bundle(name=bundle_name, version=_UNKNOWN).initialize()
    except Exception:
        return True
    return False
