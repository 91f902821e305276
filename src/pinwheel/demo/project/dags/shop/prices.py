"""Price rules."""

from __future__ import annotations

VAT_PERCENT = 19


def gross(net_cents: int) -> int:
    """A net price with VAT, in cents."""
    return net_cents + net_cents * VAT_PERCENT // 100


def describe() -> str:
    """The rule in words, for the log."""
    return f"VAT {VAT_PERCENT} %"
