"""Problems that a backend told of, as the errors that they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pinwheel.core.errors import PinwheelError
from pinwheel.core.problem import CLASSES


def error_of(problem: Mapping[str, Any]) -> PinwheelError:
    """The error that a document of :func:`pinwheel.core.problem.problem_of` tells of."""
    facts = problem.get("facts")
    # Those that can be given by name beside the three sentences.
    taken = {"failed", "found", "remedy", "self"}
    return CLASSES[problem["type"]](
        str(problem["failed"]),
        found=str(problem.get("found") or ""),
        remedy=str(problem.get("remedy") or ""),
        **({k: v for k, v in facts.items() if k not in taken} if isinstance(facts, dict) else {}),
    )
