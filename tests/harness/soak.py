"""How far tests of many seeds go: ``make soak`` sets ``PINWHEEL_SOAK=1`` for a long search."""

from __future__ import annotations

import os

SOAK = os.environ.get("PINWHEEL_SOAK") == "1"


def many(few: int, soak: int) -> range:
    """Seeds from 0: so many, or so many for the long search."""
    return range(soak if SOAK else few)
