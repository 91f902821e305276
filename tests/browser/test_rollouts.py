"""Rollouts (navigation, and a Dag's tab): what waits, for whom, and what somebody does about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, expect

from harness.browser import Visitor
from harness.dags import dag
from harness.processes import wait_for
from harness.releases import Releases, unique
from harness.shared import SharedAirflow

POLICY = """
policies:
  - {{name: {name}, dags: {{ids: [{ids}]}}, steps: [{{approve: {{}}}}, release]}}
"""


class Gated:
    """Three Dags whose build 2 waits for an approval, and for one more: its author is no known user."""

    def __init__(self, airflow: SharedAirflow) -> None:
        self.airflow, self.releases = airflow, Releases(airflow)
        self.prefix = unique("gated")
        self.first, self.second, self.third = (f"{self.prefix}_{n}" for n in range(3))
        self.dag_ids = (self.first, self.second, self.third)
        self.bundle = airflow.take_git()
        self._push("m1")
        self.save(POLICY.format(name=self.prefix, ids=", ".join(self.dag_ids)))
        self._push("m2")
        wait_for(lambda: len(self.live()) == len(self.dag_ids), 60, lambda: f"rollouts, last {self.live()}")

    def _push(self, mark: str) -> None:
        files: dict[str, str] = {}
        for dag_id in self.dag_ids:
            files |= dag(dag_id, mark)
        self.bundle.repo.commit(files, message=f"State {mark}")
        self.releases.wait_settled(self.bundle.name, self.bundle.repo.head(), timeout=120)

    def save(self, text: str) -> None:
        reply: httpx.Response = self.airflow.api().put(
            f"/pinwheel/api/v1/policies/{self.prefix}", json={"text": text}
        )
        assert reply.is_success, reply.text

    def act(self, dag_id: str, verb: str, **body: Any) -> None:
        """The administrator's, over REST."""
        reply = self.airflow.api().post(f"/pinwheel/api/v1/dags/{dag_id}/rollout/{verb}", json=body)
        assert reply.is_success, reply.text

    def live(self, *dag_ids: str) -> list[dict[str, Any]]:
        asked: dict[str, Any] = {"dag_id": list(dag_ids or self.dag_ids), "state": ["live"]}
        return list(self.airflow.get("/pinwheel/api/v1/rollouts", **asked)["rollouts"])


@pytest.fixture(scope="module")
def gated(shared_airflow: SharedAirflow) -> Iterator[Gated]:
    made = Gated(shared_airflow)
    yield made
    made.save("")


def shown(visitor: Visitor, gated: Gated, dag_id: str) -> tuple[Locator, Locator]:
    """The page, and the line of this Dag's rollout among those that wait for a person."""
    page = visitor.open_releases("view=rollouts")
    (rollout,) = gated.live(dag_id)
    waiting = page.get_by_role("table", name="Waiting for a person")
    return page, waiting.get_by_test_id(f"rollout-{rollout['id']}")


def test_a_gated_dag_waits_until_an_approver_approves_on_the_page(window: Any, gated: Gated) -> None:
    with window("viewer") as visitor:
        page, row = shown(visitor, gated, gated.first)
        expect(row).to_contain_text("Build 2")
        expect(row).to_contain_text(f"policy {gated.prefix}")
        expect(row).to_contain_text("waits for a person")
        expect(row).to_contain_text("0 of 2 approvals")
        expect(row.get_by_role("listitem").first).to_contain_text("(here)")
        expect(page).to_contain_text("You may look at what is released, not change it")
        expect(page.get_by_role("group", name="Acts on the rollout")).to_have_count(0)
    with window("op") as visitor:
        page, row = shown(visitor, gated, gated.first)
        expect(page.get_by_role("link", name="Rollouts")).to_contain_text("wait for a person")
        visitor.check_accessibility()
        gated.act(gated.first, "approve")
        expect(row).to_contain_text("1 of 2 approvals: admin")
        row.get_by_role("button", name="Approve").click()
        dialog = visitor.page.get_by_role("dialog")
        expect(dialog.get_by_test_id("act-plan")).to_contain_text("What happens: the approval is counted")
        assert gated.live(gated.first)[0]["approvals"]["given"] == ["admin"]
        approve = dialog.get_by_role("button", name="Approve", exact=True)
        # Enabled, it takes on its colour within a moment.
        expect(approve).to_have_css("opacity", "1")
        visitor.check_accessibility("[role=dialog]")
        dialog.get_by_label("Reason").fill("the numbers are right")
        approve.click()
        expect(dialog).to_contain_text("Approved")
        dialog.get_by_role("button", name="Close", exact=True).click()
        # The keeper goes on with it, and the page shows that without a reload.
        gated.releases.wait_active(gated.first, 2)
        expect(row).to_be_hidden()
    (event, *_) = gated.releases.events(gated.first, "verdict")
    assert (event["actor"], event["reason"]) == ("op", "the numbers are right")


def test_who_may_edit_but_not_approve_is_offered_what_is_left(window: Any, gated: Gated) -> None:
    with window("editor") as visitor:
        page = visitor.open_dag(gated.second, "dag-releases")
        ahead = page.get_by_role("region", name="What is on its way")
        expect(ahead).to_contain_text("Build 2")
        expect(ahead.get_by_role("link", name="Rollouts")).to_be_visible()
        acts = ahead.get_by_role("group", name="Acts on the rollout")
        expect(acts.get_by_role("button", name="Pause")).to_be_visible()
        for name in ("Approve", "Reject", "Skip step"):
            expect(acts.get_by_role("button", name=name)).to_have_count(0)
        visitor.check_accessibility()
        acts.get_by_role("button", name="Abort").click()
        dialog = visitor.page.get_by_role("dialog")
        button = dialog.get_by_role("button", name="Abort", exact=True)
        expect(button).to_be_disabled()
        dialog.get_by_label("Reason").fill("not this month")
        expect(dialog.get_by_test_id("act-plan")).to_contain_text("Then the rollout has ended")
        button.click()
        expect(dialog).to_contain_text("Aborted")
        dialog.get_by_role("button", name="Close", exact=True).click()
        expect(ahead).to_be_hidden()
        expect(page.get_by_role("region", name="Where the Dag stands")).to_contain_text("aborted")
    assert gated.live(gated.second) == []


def test_what_is_decided_on_another_state_is_refused_in_words_and_looked_at_again(
    window: Any, gated: Gated
) -> None:
    with window("op") as visitor:
        _, row = shown(visitor, gated, gated.third)
        row.get_by_role("button", name="Approve").click()
        dialog = visitor.page.get_by_role("dialog")
        expect(dialog.get_by_test_id("act-plan")).to_be_visible()
        gated.act(gated.third, "pause", reason="wait a moment")
        dialog.get_by_role("button", name="Approve", exact=True).click()
        expect(dialog.get_by_role("alert")).to_contain_text("it is paused, at generation")
        dialog.get_by_role("button", name="Look again").click()
        expect(dialog).to_contain_text("Resume its rollout first")
        dialog.get_by_role("button", name="Cancel").click()
        expect(row).to_contain_text("Paused by admin")
        row.get_by_role("button", name="Resume").click()
        dialog.get_by_role("button", name="Resume", exact=True).click()
        expect(dialog).to_contain_text("Resumed")
        visitor.errors.clear()
    assert gated.live(gated.third)[0]["state"] == "waiting"


def test_a_gated_dag_is_promoted_past_its_gate_by_who_may(window: Any, gated: Gated) -> None:
    with window("editor") as visitor:
        page = visitor.open_dag(gated.third, "dag-releases")
        page.get_by_role("button", name="Promote build 2").click()
        dialog = visitor.page.get_by_role("dialog")
        dialog.get_by_label("Not before").fill("2099-01-01 08:00")
        expect(dialog).to_contain_text("asked for, not before 20")
        expect(dialog.get_by_text("Release now, past gates and rules")).to_have_count(0)
    with window("op") as visitor:
        page = visitor.open_dag(gated.third, "dag-releases")
        page.get_by_role("button", name="Promote build 2").click()
        dialog = visitor.page.get_by_role("dialog")
        dialog.get_by_text("Release now, past gates and rules").click()
        release = dialog.get_by_role("button", name="Release now")
        expect(release).to_be_disabled()
        dialog.get_by_label("Reason").fill("the old build loses money")
        expect(dialog).to_contain_text("released, past gates and rules")
        release.click()
        expect(dialog).to_contain_text("Done")
    assert gated.releases.status(gated.third)["active_build"] == 2


WATCHED = """
policies:
  - name: {name}
    dags: {{ids: [{name}]}}
    steps: [release, {{soak: {{runs: 3, at_most: 7d}}}}]
    rollback: {{when: first-failure}}
"""


@pytest.fixture(scope="module")
def watched(shared_airflow: SharedAirflow) -> Iterator[str]:
    """A Dag of which five runs on build 1 were well; build 2, whose runs fail, is watched."""
    dag_id, bundle, releases = unique("watched"), shared_airflow.take_git(), Releases(shared_airflow)

    def save(text: str) -> None:
        reply = shared_airflow.api().put(f"/pinwheel/api/v1/policies/{dag_id}", json={"text": text})
        assert reply.is_success, reply.text

    def push(mark: str, **more: str) -> None:
        bundle.repo.commit(dag(dag_id, mark, **more), message=f"State {mark}")
        releases.wait_settled(bundle.name, bundle.repo.head(), timeout=120)

    push("m1")
    for run_id in [shared_airflow.trigger(dag_id) for _ in range(5)]:
        shared_airflow.wait_run(dag_id, run_id, "success", timeout=240)
    save(WATCHED.format(name=dag_id))
    push("m2", body='raise ValueError("wrong totals")')
    yield dag_id
    save("")


def test_a_watched_release_is_seen_until_it_is_rolled_back_by_itself_and_that_is_told_first(
    window: Any, shared_airflow: SharedAirflow, watched: str
) -> None:
    releases = Releases(shared_airflow)
    with window("op") as visitor:
        page = visitor.open_releases(f"text={watched}")
        row = page.get_by_test_id(f"dag-{watched}")
        expect(row.get_by_text("watched", exact=True)).to_be_visible()
        expect(row).to_contain_text("0 of 3 runs ended well")
        expect(row).to_contain_text("if it is worse: goes back to build 1 at ")
        visitor.check_accessibility()
        page = visitor.open_dag(watched, "dag-releases")
        ahead = page.get_by_role("region", name="What is on its way")
        expect(ahead).to_contain_text("is watched")
        expect(ahead).to_contain_text("Compared with build 1: 0 of 5 failed, too few to tell")
        acts = ahead.get_by_role("group", name="Acts on the rollout")
        expect(acts.get_by_role("button")).to_have_text(["Pause", "Take as proven", "Abort", "Roll back…"])
        expect(page.get_by_role("region", name="Rolled back by itself")).to_have_count(0)
        visitor.check_accessibility()

        run_id = shared_airflow.trigger(watched)
        shared_airflow.wait_run(watched, run_id, "failed", timeout=240)
        releases.wait_active(watched, 1)
        told = page.get_by_role("region", name="Rolled back by itself")
        expect(told).to_contain_text(f"because a run of build 2 failed ({run_id})", timeout=60_000)
        expect(told).to_contain_text("New runs take build 1, and the Dag is pinned.")
        expect(told.get_by_role("link", name="Compare with build 2")).to_be_visible()
        expect(page.get_by_role("table", name="Builds and releases")).to_contain_text("rolled back: a run")
        expect(ahead).to_be_hidden()
        visitor.check_accessibility()
        bar = visitor.open(f"dags/{watched}/runs/{run_id}/plugin/run-version").get_by_test_id("failure-bar")
        expect(bar).to_contain_text("Rolled back by itself")
        expect(bar).to_contain_text(run_id)
        visitor.check_accessibility()
    (event, *_) = releases.events(watched, "rollback")
    assert (event["actor"], event["build"], event["from_build"]) == ("pinwheel", 1, 2)
