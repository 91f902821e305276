"""The items of the benchmark.

An item is a module with ``TITLE``, ``measure`` and ``rows``. If ``PER_SIDE`` is true, ``measure`` takes a
Fleet and is called once a side, and ``rows`` gets both results by side; otherwise ``measure`` takes the
Setting and measures both sides itself.
"""

from __future__ import annotations

from types import ModuleType

from bench.items import (
    by_date,
    bytes_stored,
    commits,
    few_dated,
    fleet_page,
    follow,
    history,
    idle,
    ingest,
    live_rollouts,
    promote_at,
    push,
    rollback,
    scheduler,
    schema,
    server_time,
    sizes,
    tracing,
    verification,
    watched,
    wrong_rollbacks,
)

ITEMS: dict[str, ModuleType] = {
    "a": rollback,
    "b": server_time,
    "c": idle,
    "d": push,
    "e": ingest,
    "f": scheduler,
    "g": bytes_stored,
    "h": history,
    "i": schema,
    "j": sizes,
    "k": follow,
    "l": commits,
    "m": verification,
    "n": tracing,
    "o": fleet_page,
    "p": by_date,
    "q": few_dated,
    "r": promote_at,
    "s": live_rollouts,
    "t": wrong_rollbacks,
    "u": watched,
}
FLEET_ORDER = "edacm"
"""Items that share a side's deployment, in the order in which they are measured on it."""
