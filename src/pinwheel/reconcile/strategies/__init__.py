"""The ways to walk Airflow's schema down, one a module: ``capsule``, ``exec``, ``command``.

Each module has ``add_arguments(group)`` for its options on the command line, and
``make(options, deployment)``, which gives a :class:`~pinwheel.reconcile.strategy.Strategy`. Both import
nothing heavy: a library that only one strategy needs is imported when that strategy is asked to act.
"""

from __future__ import annotations

NAMES = ("capsule", "exec", "command")
"""In the order in which ``auto`` asks them."""
