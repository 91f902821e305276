"""How often the rules are wrong: a corpus of Dags that fail now and then, and outages of everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.flaky import FLEET, RATES, RELEASES, RULES, corpus, fleet, outages, share, slower, table

ROLLOUTS_PAGE = Path(__file__).parents[2] / "docs" / "rollouts.md"


@pytest.mark.acceptance("rollouts", 56)
@pytest.mark.parametrize(("rate", "at_most"), [(0.0, 0.0), (0.01, 0.045), (0.05, 0.045), (0.2, 0.045)])
def test_worse_seldom_rolls_back_a_release_that_changed_nothing(rate: float, at_most: float) -> None:
    found = share("worse", corpus(rate, rate))
    assert found.releases == RELEASES == 3_000
    assert found.rate <= at_most


@pytest.mark.acceptance("rollouts", 56)
@pytest.mark.parametrize(
    ("old", "new", "at_least", "failed_runs"),
    [(0.0, 0.5, 0.94, 1.1), (0.0, 1.0, 1.0, 1.0), (0.05, 1.0, 0.99, 2.5), (0.2, 1.0, 0.95, 4.0)],
)
def test_worse_catches_a_build_that_fails_after_few_failed_runs(
    old: float, new: float, at_least: float, failed_runs: float
) -> None:
    found = share("worse", corpus(old, new))
    assert found.rate >= at_least
    assert found.failed_runs_each <= failed_runs


@pytest.mark.acceptance("rollouts", 56)
def test_of_a_mixed_fleet_worse_rolls_back_one_in_a_hundred_for_nothing_and_first_failure_six() -> None:
    assert sum(of_all for of_all, _ in FLEET) == pytest.approx(1)
    assert [rate for _, rate in FLEET] == list(RATES)
    false = {rule: 1000 * share(rule, fleet(20_000)).rate for rule in ("worse", "first-failure")}
    assert false["worse"] == pytest.approx(9.4, abs=1.5)
    assert false["first-failure"] == pytest.approx(64.4, abs=4)


@pytest.mark.parametrize(
    ("spread", "times", "at_least", "at_most"),
    [
        # Of run times that vary by a tenth, by a third, and by as much as they last.
        *((spread, 1.0, 0.0, 0.005) for spread in (0.1, 0.29, 0.83)),
        (0.1, 2.0, 0.99, 1.0),
        (0.29, 3.0, 0.92, 0.97),
        (0.83, 3.0, 0.08, 0.15),
    ],
)
def test_slower_seldom_fires_by_chance_and_says_little_of_run_times_that_vary_much(
    spread: float, times: float, at_least: float, at_most: float
) -> None:
    assert at_least <= slower(spread, times) <= at_most


@pytest.mark.acceptance("rollouts", 55)
def test_in_an_outage_of_all_dags_the_released_ones_are_paused_and_not_rolled_back() -> None:
    hours = list(outages(60))
    alone = sum(hour.rolled_back("worse", with_control=False) for hour in hours) / len(hours)
    assert alone == pytest.approx(84, abs=3), "without a control group nearly all of the hundred"
    with_control = sum(hour.rolled_back("worse", with_control=True) for hour in hours) / len(hours)
    assert with_control <= 5


@pytest.mark.acceptance("rollouts", 55)
def test_one_broken_dag_in_a_calm_hour_is_rolled_back_all_the_same() -> None:
    hours = outages(300, released=1.0, others=0.01, dags=1)
    assert all(hour.rolled_back("worse", with_control=True) for hour in hours)


@pytest.mark.acceptance("rollouts", 104)
def test_the_docs_say_how_often_each_rule_is_wrong() -> None:
    """After a change of the rules put what ``python -m harness.flaky`` prints there."""
    made = table()
    assert len(made.splitlines()) == 2 + len(RULES)
    assert made in ROLLOUTS_PAGE.read_text()
