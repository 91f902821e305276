"""Machines with one fault each: the product's modules with one piece of their source replaced."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from harness.rollout_world import Machine
from pinwheel.core.rollout import acts, decide, gate, promote, state

MODULES = (state, gate, decide, promote, acts)
"""In the order in which they use each other."""


def faulty(name: str, sound: str, fault: str) -> Machine:
    """The machine whose module *name* has *fault* where it has *sound*."""
    made: dict[str, Any] = {}
    functions: dict[str, Any] = {}
    for module in MODULES:
        path = module.__file__
        assert path is not None
        with open(path) as file:
            source = file.read()
        own = module.__name__.rpartition(".")[2]
        if own == name:
            assert source.count(sound) == 1, f"{sound!r} stands {source.count(sound)} times in {own}"
            source = source.replace(sound, fault)
        copy = ModuleType(module.__name__)
        exec(compile(source, f"{path} with a fault", "exec"), copy.__dict__)
        # The types are the product's: what it decides is told by them. The functions are the copies'.
        for key, value in vars(module).items():
            if isinstance(value, type):
                setattr(copy, key, value)
            elif key in functions:
                setattr(copy, key, functions[key])
            elif getattr(value, "__module__", None) == module.__name__ and callable(value):
                functions[key] = getattr(copy, key)
        made[own] = copy
    return Machine(decide=made["decide"], acts=made["acts"])
