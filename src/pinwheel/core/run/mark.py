"""The mark of a bundle version that nothing executes: a run that carries it is not bound to a place yet.

It stands after a plain commit, in Airflow's row of a Dag whose runs are judged by their dates, so that each
run is born with it. ``?`` stands in no name of git's, so no source can serve such a version.
"""

from __future__ import annotations

MARK = "?unbound"


def is_marked(bundle_version: str | None) -> bool:
    """Whether a bundle version says that its run is not bound."""
    return bundle_version is not None and bundle_version.endswith(MARK)


def marked(version: str) -> str:
    """A plain version with the mark; one that has it stays as it is."""
    return version if is_marked(version) else version + MARK


def without_mark(bundle_version: str) -> str:
    """The version that the mark was put on; one without it stays as it is."""
    return bundle_version.removesuffix(MARK)
