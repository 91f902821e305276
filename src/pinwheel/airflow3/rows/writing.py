"""Saying it where the database, its driver or Airflow does not take what a build says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from pinwheel.core.errors import PinwheelError, Refused
from pinwheel.core.release.rows import Projection
from pinwheel.store.refusals import is_hopeless, said


@contextmanager
def writing(projections: Sequence[Projection]) -> Iterator[None]:
    """What writes these rows raises is told in words.

    :raises Refused: that.
    """
    try:
        yield
    except (SQLAlchemyError, ValueError, TypeError, OverflowError, RecursionError) as error:
        if isinstance(error, PinwheelError) or (
            isinstance(error, SQLAlchemyError) and not is_hopeless(error)
        ):
            raise
        names = sorted({p.dag_id for p in projections})
        raise Refused(
            f"Cannot write {', '.join(names[:5])}{' and others' if names[5:] else ''} to Airflow's rows",
            found=said(error),
            remedy="Change what the Dag says there and push again; until then it stays as released",
        ) from error
