"""How far tests of many seeds and sizes go.

``make test`` sets ``PINWHEEL_GATE=1``: as far as they have to, to prove the same. ``make test-all`` does so
on the second version of Airflow. ``make soak`` sets ``PINWHEEL_SOAK=1`` for a long search. ``make test-all``
on the first version, and pytest by itself, are between them.
"""

from __future__ import annotations

import os

SOAK = os.environ.get("PINWHEEL_SOAK") == "1"
GATE = os.environ.get("PINWHEEL_GATE") == "1"


def many(few: int, soak: int, *, gate: int | None = None) -> range:
    """Seeds from 0: so many, so many for the long search, or so many for ``make test``."""
    return range(soak if SOAK else size(few, gate=few if gate is None else gate))


def size(whole: int, *, gate: int) -> int:
    """How large something is, and how large for ``make test``."""
    return gate if GATE else whole
