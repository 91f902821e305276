"""The mark of a bundle version that nothing executes: a run that carries it is not bound to a place yet.

It stands after a plain commit, in Airflow's row of a Dag whose runs are judged by their dates, so that each
run is born with it. ``?`` stands in no name of git's, so no source can serve such a version.
"""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from pinwheel.core.run.binding import BoundBy

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


@frozen(kw_only=True)
class Queued:
    """A run that has not started since it was made or cleared."""

    clear_number: int
    on_active: bool
    """Its row names the version row of the active release."""
    queued_at: datetime | None
    bound_by: BoundBy | str | None
    """Who bound it since then; None: nobody did."""
    judged: bool
    """Whether its date was asked then."""

    @property
    def by_hand(self) -> bool:
        return self.bound_by in (BoundBy.HAND, BoundBy.TRIAL)


def gets_mark(run: Queued, *, since: datetime | None, anew: bool) -> bool:
    """Whether a queued run without the mark is to have it.

    ``since`` is since when runs of its Dag are judged by their dates, None: they are not. ``anew``: those too
    that were judged, because what they were judged by is another now. A run that was cleared and stays on
    what it was bound to before gets none.
    """
    if run.by_hand:
        return False
    if run.judged:
        # Of a Dag that is judged no more, what was bound to the active release is right as it is.
        return anew and (since is not None or run.bound_by == BoundBy.ERA or not run.on_active)
    if since is None or run.clear_number:
        return False
    # Whoever named a bundle version in Airflow (from 3.4 on) made a run that is born on another row.
    born_before = run.queued_at is None or run.queued_at < since
    return run.bound_by is not None or run.on_active or born_before


def loses_mark(run: Queued) -> bool:
    """Whether a queued run of a Dag whose runs are not judged any more needs its mark no more.

    What stands elsewhere than on the active release keeps it until it is bound to that, as it starts.
    """
    return not run.clear_number and run.on_active and run.bound_by is None
