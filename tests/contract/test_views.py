"""Each view that the services make has exactly the fields that its schema declares."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import fields
from pydantic import BaseModel

import pinwheel
from harness.declared import lacking, named_in, undeclared
from pinwheel.api import schemas
from pinwheel.api.document import document
from pinwheel.core.release.behind import Behind
from pinwheel.core.rollout.hold import Hold
from pinwheel.core.rollout.waiting import Answered, Awaits
from pinwheel.core.rollout.watch_words import PlaceNamed
from pinwheel.core.selector import Selector
from pinwheel.core.structure import diff, graph
from pinwheel.core.structure.layout import Row
from pinwheel.services.history import grid, instances, tries, versions
from pinwheel.services.policy import explain, save, trial
from pinwheel.services.policy import show as policies
from pinwheel.services.release import outcome, watched
from pinwheel.services.rollout import acts, checks, freeze, show, windows
from pinwheel.services.run import backfill, bound, clear_preview, waiting
from pinwheel.services.show import builds, bundles, compare, events, fleet, line, news
from pinwheel.services.show import status as dag_status
from pinwheel.services.timeline import views as timelines
from pinwheel.services.upkeep import beat, keeper_status

VIEWS: list[tuple[type[Any], type[BaseModel]]] = [
    (builds.BuildView, schemas.dags.Build),
    (builds.OneBuild, schemas.dags.OneBuild),
    (builds.BuildFile, schemas.dags.BuildFile),
    (builds.RejectedView, schemas.dags.Rejected),
    (builds.ReleaseView, schemas.dags.Release),
    (builds.DiffView, schemas.compare.Diff),
    (diff.FileChange, schemas.compare.FileChange),
    (diff.Structure, schemas.compare.Structure),
    (diff.TaskChange, schemas.compare.TaskChange),
    (diff.Changed, schemas.compare.FromTo),
    (graph.Graph, schemas.compare.Graph),
    (graph.Node, schemas.compare.GraphNode),
    (graph.Edge, schemas.compare.GraphEdge),
    (graph.Group, schemas.compare.GraphGroup),
    (compare.Comparison, schemas.compare.Comparison),
    (compare.ComparedBuild, schemas.compare.ComparedBuild),
    (compare.ComparedFile, schemas.compare.ComparedFile),
    (compare.FileComparison, schemas.compare.FileComparison),
    (compare.FileSide, schemas.compare.FileSide),
    (line.LineRelease, schemas.line.LineRelease),
    (line.LineBuild, schemas.line.LineBuild),
    (line.LineRun, schemas.line.LineRun),
    (line.WayBack, schemas.line.WayBack),
    (events.EventView, schemas.events.Event),
    (events.AlikeView, schemas.events.Alike),
    (events.CommitView, schemas.events.EventCommit),
    (bundles.Standings, schemas.bundles.Bundles),
    (bundles.Standing, schemas.bundles.Bundle),
    (bundles.HeadOfBundle, schemas.bundles.BundleHead),
    (bundles.RefusedVersion, schemas.bundles.BundleRefusedVersion),
    (bundles.BundleFault, schemas.bundles.BundleFault),
    (bundles.LeftOut, schemas.bundles.BundleLeftOut),
    (bundles.Unverified, schemas.bundles.BundleUnverified),
    (bundles.Problem, schemas.dags.BundleProblem),
    (bundles.Troubled, schemas.dags.TroubledBundle),
    (keeper_status.KeeperStatus, schemas.live.KeeperStatus),
    (beat.KeeperView, schemas.live.Keeper),
    (keeper_status.UnboundView, schemas.live.UnboundRun),
    (waiting.WaitingRun, schemas.live.WaitingRun),
    (clear_preview.Preview, schemas.history.Preview),
    (clear_preview.PreviewedInstance, schemas.history.PreviewedInstance),
    (clear_preview.RefusedTask, schemas.history.RefusedTask),
    (dag_status.StatusView, schemas.dags.DagStatus),
    (dag_status.BrokenView, schemas.dags.Broken),
    (Hold, schemas.dags.Hold),
    (Behind, schemas.dags.Behind),
    (PlaceNamed, schemas.dags.Place),
    (watched.WatchView, schemas.dags.Watch),
    (watched.UnderWatch, schemas.dags.UnderWatch),
    (line.WatchOfRelease, schemas.line.WatchOfRelease),
    (tries.TryView, schemas.runs.Try),
    (versions.VersionView, schemas.history.Version),
    (grid.GridRunView, schemas.history.GridRun),
    (grid.GridRows, schemas.history.GridRows),
    (Row, schemas.history.GridRow),
    (grid.CellView, schemas.history.Cell),
    (grid.Cells, schemas.history.Cells),
    (instances.RunView, schemas.history.RunVersions),
    (instances.BindingView, schemas.history.Binding),
    (instances.InstanceTry, schemas.history.InstanceTry),
    (instances.Instance, schemas.history.Instance),
    (instances.TaskVersion, schemas.history.TaskVersion),
    (fleet.FleetBuild, schemas.fleet.FleetBuild),
    (fleet.PinView, schemas.fleet.Pin),
    (fleet.LastChange, schemas.fleet.LastChange),
    (fleet.FleetCounts, schemas.fleet.FleetCounts),
    (fleet.Choices, schemas.fleet.Choices),
    (outcome.Outcome, schemas.changes.Outcome),
    (bound.Bound, schemas.runs.Run),
    (bound.Cleared, schemas.runs.ClearedRun),
    (backfill.BackfillView, schemas.runs.Backfill),
    (backfill.BackfilledRun, schemas.runs.BackfilledRun),
    (news.News, schemas.live.News),
    (timelines.TimelineView, schemas.timeline.Timeline),
    (timelines.Stretch, schemas.timeline.Stretch),
    (timelines.RunCounts, schemas.timeline.RunCounts),
    (timelines.RunsOnBuild, schemas.timeline.RunsOnBuild),
    (timelines.Answer, schemas.timeline.DateAnswer),
    (timelines.Said, schemas.timeline.Said),
    (timelines.VariantView, schemas.timeline.Variant),
    (timelines.RevisionView, schemas.timeline.TimelineRevision),
    (timelines.EraView, schemas.timeline.Era),
    (timelines.CheckView, schemas.timeline.TimelineCheck),
    (timelines.SensorView, schemas.timeline.WaitingSensor),
    (timelines.DatedRunView, schemas.timeline.DatedRun),
    (timelines.TimelineChange, schemas.timeline.TimelineChange),
    (timelines.ChangedStretch, schemas.timeline.ChangedStretch),
    (timelines.ClearedByDate, schemas.timeline.ClearedByDate),
    (show.RolloutPage, schemas.rollouts.RolloutPage),
    (show.StepView, schemas.rollouts.RolloutStep),
    (show.VerdictView, schemas.rollouts.Verdict),
    (show.ApprovalsView, schemas.rollouts.Approvals),
    (Awaits, schemas.rollouts.WaitsFor),
    (Answered, schemas.rollouts.RolloutAct),
    (checks.CheckSet, schemas.rollouts.CheckSet),
    (freeze.FreezeView, schemas.freezes.Freeze),
    (freeze.FreezeChange, schemas.freezes.FreezeChange),
    (Selector, schemas.freezes.FreezeSelector),
    (windows.WindowsView, schemas.freezes.Windows),
    (windows.LimitView, schemas.freezes.Limit),
    (policies.Documents, schemas.policies.PolicyDocuments),
    (policies.DocumentView, schemas.policies.PolicyDocument),
    (policies.RuleView, schemas.policies.PolicyRule),
    (policies.PolicyView, schemas.policies.PolicyOffered),
    (save.Saved, schemas.policies.SavedDocument),
    (save.PartChange, schemas.policies.PartChange),
    (trial.Tried, schemas.policies.TriedFile),
    (trial.TriedDag, schemas.policies.TriedDag),
    (explain.Explained, schemas.policies.PolicyOfDag),
    (explain.StepOfDag, schemas.policies.StepOfDag),
    (explain.RuleOfDag, schemas.policies.RuleOfDag),
    (explain.ConsideredPolicy, schemas.policies.ConsideredPolicy),
    (Hold, schemas.policies.ClosedRule),
]

WITH_MORE: list[tuple[type[Any], type[BaseModel], set[str]]] = [
    (fleet.FleetDagView, schemas.fleet.FleetDag, {"may_edit"}),
    (fleet.FleetPage, schemas.fleet.Fleet, {"bundles"}),
    (line.Line, schemas.line.Line, {"may"}),
    (grid.GridPage, schemas.history.GridPage, {"may_clear"}),
    (instances.TaskInstanceView, schemas.history.TaskInstance, {"may_clear"}),
    (outcome.Outcome, schemas.changes.OneOutcome, {"plan", "command"}),
    (bound.Bound, schemas.runs.TriggeredRun, {"plan", "command"}),
    (show.RolloutView, schemas.rollouts.Rollout, {"may"}),
    (acts.RolloutActed, schemas.rollouts.RolloutActed, {"command"}),
]
"""Views to which a route adds what it knows: what the user may do, and what was asked."""

OF_ROUTES = {
    *(
        "TimelineHistory",
        "Freezes",
        "DagPage",
        "BuildPage",
        "ReleasePage",
        "TryPage",
        "EventPage",
        "Changes",
        "ClearedRuns",
    ),
    *("Notation", "Health", "May", "RolloutMay", "Refusal", "DagFacts"),
}
"""Schemas of what routes put around views, or know themselves."""


@pytest.mark.parametrize(("view", "schema"), VIEWS)
def test_a_view_has_the_fields_of_its_schema(view: type[Any], schema: type[BaseModel]) -> None:
    assert {each.name for each in fields(view)} == schema.model_fields.keys()


@pytest.mark.parametrize(("view", "schema", "more"), WITH_MORE)
def test_a_route_adds_to_a_view_what_its_schema_has_more(
    view: type[Any], schema: type[BaseModel], more: set[str]
) -> None:
    assert {each.name for each in fields(view)} | more == schema.model_fields.keys()


def test_every_schema_of_an_answer_is_that_of_a_view() -> None:
    found = document()
    answers = [
        content["schema"]
        for path in found["paths"].values()
        for operation in path.values()
        for status, response in operation["responses"].items()
        if status.startswith("2")
        for content in response["content"].values()
    ]
    named = {
        name for name in named_in(found, answers) if "properties" in found["components"]["schemas"][name]
    }
    assert named == OF_ROUTES | {schema.__name__ for _, schema, *_ in [*VIEWS, *WITH_MORE]} - {"Run"}


NOT_BEHIND_THE_API = (
    *("airflow3/bundles/", "services/upkeep/uninstall.py", "core/errors.py"),
    # Of effective dates, which no request asks for yet.
    *("core/run/local_time.py", "core/run/timeline.py"),
    *("core/structure/windows.py", "core/structure/without.py"),
)
"""Nothing there is raised on the way of a request."""


def facts_told() -> Iterator[str]:
    """Names of the facts of all errors that are raised on the way of a request."""
    root = Path(pinwheel.__file__).parent
    for folder in ("core", "store", "services", "api", "airflow3"):
        for path in sorted((root / folder).rglob("*.py")):
            if str(path.relative_to(root)).startswith(NOT_BEHIND_THE_API):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                names = [each.arg for each in node.keywords] if isinstance(node, ast.Call) else []
                if "found" in names and "remedy" in names:
                    assert None not in names, f"{path}:{node.lineno}: name each fact, ** hides them"
                    yield from (str(name) for name in names if name not in ("found", "remedy"))


def test_every_fact_that_a_problem_may_tell_is_declared() -> None:
    assert set(facts_told()) <= schemas.problems.Facts.model_fields.keys()


def test_what_a_schema_does_not_declare_is_found_wherever_it_is() -> None:
    document = {
        "components": {
            "schemas": {
                "Inner": {"properties": {"a": {"type": "integer"}}, "required": ["a"]},
                "Outer": {
                    "properties": {
                        "many": {"items": {"$ref": "#/components/schemas/Inner"}},
                        "one": {"anyOf": [{"$ref": "#/components/schemas/Inner"}, {"type": "null"}]},
                        "by_name": {"additionalProperties": {"$ref": "#/components/schemas/Inner"}},
                        "anything": {},
                        "some_object": {"type": "object", "additionalProperties": True},
                    }
                },
            }
        }
    }
    outer = {"$ref": "#/components/schemas/Outer"}
    good = {"many": [{"a": 1}], "one": None, "by_name": {"x": {"a": 1}}, "anything": {"z": 1}}
    assert undeclared(document, outer, good) == lacking(document, outer, good) == []
    bad = {
        "many": [{"a": 1, "b": 2}],
        "one": {"b": 1},
        "by_name": {"x": {"b": 1}},
        "some_object": {"c": 1},
        "more": None,
    }
    assert undeclared(document, outer, bad) == ["by_name.*.b", "many[].b", "more", "one.b", "some_object.c"]
    assert lacking(document, outer, bad) == ["by_name.x.a", "one.a"]


def test_no_schema_lets_a_field_pass_that_it_does_not_declare() -> None:
    declared = document()["components"]["schemas"]
    passing = {
        name for name, each in declared.items() if "properties" in each and each.get("additionalProperties")
    }
    assert {"DagStatus", "Fleet", "GridPage", "Try", "Backfill", "Problem", "Facts"} <= declared.keys()
    assert passing == set()
