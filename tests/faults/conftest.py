"""Says how many faults were tried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from harness import faults
from harness.faults import TRIED
from harness.invariants import Broken

_broken: list[str] = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    if call.excinfo is not None and call.excinfo.errisinstance(Broken):
        _broken.append(item.nodeid)
    yield


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not TRIED:
        return
    terminalreporter.section("faults")
    by_kind = ", ".join(f"{count} {kind}" for kind, count in sorted(TRIED.items()))
    terminalreporter.write_line(
        f"{TRIED.total()} faults injected, {len(_broken)} invariants broken ({by_kind})"
    )
    for nodeid in _broken:
        terminalreporter.write_line(f"  broken in {nodeid}")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Retries follow at once."""
    with faults.no_waiting(monkeypatch):
        yield
