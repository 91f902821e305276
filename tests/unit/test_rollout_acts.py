"""What each act of a person does in each state: the full product, beside the tables that say it."""

from __future__ import annotations

import pytest

from harness.rollout_tables import TABLES, compared
from pinwheel.core.rollout.acts import act
from pinwheel.core.rollout.table import Verb


@pytest.mark.acceptance("rollouts", 59)
@pytest.mark.parametrize("verb", list(Verb))
def test_every_act_in_every_state_has_the_outcome_of_its_table(verb: Verb) -> None:
    compared(verb, act).verify()


def test_each_verb_has_its_table() -> None:
    assert set(TABLES) == set(Verb)
