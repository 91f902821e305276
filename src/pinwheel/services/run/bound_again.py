"""What is noted when a run is bound again: how far its tasks had come, and who chose its version."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import evolve

from pinwheel.core.run.binding import Binding, Present, Tries, kept
from pinwheel.store import bindings
from pinwheel.store.bindings import NewBinding

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Look = Callable[["Session", str, Collection[str]], Mapping[str, Sequence[Present]]]
"""Of a Dag's runs: how their tasks stand, by run."""


def unchosen(
    session: Session,
    new: Sequence[NewBinding],
    look: Look,
    tries: Callable[[NewBinding, Sequence[Present]], Tries] = lambda new, present: Tries.of(present),
) -> list[NewBinding]:
    """These bindings of runs for which nobody chose a version now, complete.

    A run that was bound before gets how far its tasks had come, by *tries*, and the choice that was made
    before where it stays on that version. The others are given back as they are.
    """
    found = [one for one in new if not one.seq]
    for dag_id in sorted({one.dag_id for one in new if one.seq}):
        again = {one.run_id: one for one in new if one.seq and one.dag_id == dag_id}
        present = look(session, dag_id, again)
        before = bindings.of_runs(session, dag_id, again)
        found += [
            evolve(as_before(one, before.get(run_id, ())), tries=tries(one, present.get(run_id, ())))
            for run_id, one in again.items()
        ]
    return found


def as_before(new: NewBinding, bound: Sequence[Binding]) -> NewBinding:
    """A binding without a choice: with the one that was made before, and what it was judged by."""
    last = kept(bound, new.dag_version_id)
    if last is None:
        return new
    return evolve(
        new,
        bound_by=last.bound_by,
        date=last.date,
        date_by=last.date_by,
        revision=last.revision,
        segment=last.segment,
    )
