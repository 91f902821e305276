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
from pinwheel.api import (
    bundle_schemas,
    compare_schemas,
    event_schemas,
    fleet_schemas,
    history_schemas,
    line_schemas,
    schemas,
)
from pinwheel.api.document import document
from pinwheel.core.release.behind import Behind
from pinwheel.core.release.why_held import Hold
from pinwheel.core.structure import diff, graph
from pinwheel.core.structure.layout import Row
from pinwheel.services.history import grid, instances, tries, versions
from pinwheel.services.release import carry_out
from pinwheel.services.run import backfill, clear_preview, trigger
from pinwheel.services.show import builds, bundles, compare, events, fleet, line, news
from pinwheel.services.show import status as dag_status

VIEWS: list[tuple[type[Any], type[BaseModel]]] = [
    (builds.BuildView, schemas.Build),
    (builds.RejectedView, schemas.Rejected),
    (builds.ReleaseView, schemas.Release),
    (builds.DiffView, compare_schemas.Diff),
    (diff.FileChange, compare_schemas.FileChange),
    (diff.Structure, compare_schemas.Structure),
    (diff.TaskChange, compare_schemas.TaskChange),
    (diff.Changed, compare_schemas.FromTo),
    (graph.Graph, compare_schemas.Graph),
    (graph.Node, compare_schemas.GraphNode),
    (graph.Edge, compare_schemas.GraphEdge),
    (graph.Group, compare_schemas.GraphGroup),
    (compare.Comparison, compare_schemas.Comparison),
    (compare.ComparedBuild, compare_schemas.ComparedBuild),
    (compare.ComparedFile, compare_schemas.ComparedFile),
    (compare.FileComparison, compare_schemas.FileComparison),
    (compare.FileSide, compare_schemas.FileSide),
    (line.LineRelease, line_schemas.LineRelease),
    (line.LineBuild, line_schemas.LineBuild),
    (line.LineRun, line_schemas.LineRun),
    (events.EventView, event_schemas.Event),
    (bundles.Standings, bundle_schemas.Bundles),
    (bundles.Standing, bundle_schemas.Bundle),
    (bundles.HeadOfBundle, bundle_schemas.BundleHead),
    (bundles.RefusedVersion, bundle_schemas.BundleRefusedVersion),
    (bundles.BundleFault, bundle_schemas.BundleFault),
    (bundles.LeftOut, bundle_schemas.BundleLeftOut),
    (bundles.Unverified, bundle_schemas.BundleUnverified),
    (bundles.Problem, schemas.BundleProblem),
    (bundles.Troubled, schemas.TroubledBundle),
    (clear_preview.Preview, history_schemas.Preview),
    (clear_preview.PreviewedInstance, history_schemas.PreviewedInstance),
    (clear_preview.RefusedTask, history_schemas.RefusedTask),
    (dag_status.StatusView, schemas.DagStatus),
    (dag_status.BrokenView, schemas.Broken),
    (Hold, schemas.Hold),
    (Behind, schemas.Behind),
    (tries.TryView, schemas.Try),
    (versions.VersionView, history_schemas.Version),
    (grid.GridRunView, history_schemas.GridRun),
    (grid.GridRows, history_schemas.GridRows),
    (Row, history_schemas.GridRow),
    (grid.CellView, history_schemas.Cell),
    (grid.Cells, history_schemas.Cells),
    (instances.RunView, history_schemas.RunVersions),
    (instances.BindingView, history_schemas.Binding),
    (instances.InstanceTry, history_schemas.InstanceTry),
    (instances.Instance, history_schemas.Instance),
    (instances.TaskVersion, history_schemas.TaskVersion),
    (fleet.FleetBuild, fleet_schemas.FleetBuild),
    (fleet.PinView, fleet_schemas.Pin),
    (fleet.LastChange, fleet_schemas.LastChange),
    (fleet.FleetCounts, fleet_schemas.FleetCounts),
    (fleet.Choices, fleet_schemas.Choices),
    (carry_out.Outcome, schemas.Outcome),
    (trigger.Bound, schemas.Run),
    (trigger.Cleared, schemas.ClearedRun),
    (backfill.BackfillView, schemas.Backfill),
    (backfill.BackfilledRun, schemas.BackfilledRun),
    (news.News, schemas.News),
]

WITH_MORE: list[tuple[type[Any], type[BaseModel], set[str]]] = [
    (fleet.FleetDagView, fleet_schemas.FleetDag, {"may_edit"}),
    (fleet.FleetPage, fleet_schemas.Fleet, {"bundles"}),
    (line.Line, line_schemas.Line, {"may"}),
    (grid.GridPage, history_schemas.GridPage, {"may_clear"}),
    (instances.TaskInstanceView, history_schemas.TaskInstance, {"may_clear"}),
    (carry_out.Outcome, schemas.OneOutcome, {"plan", "command"}),
    (trigger.Bound, schemas.TriggeredRun, {"plan", "command"}),
]
"""Views to which a route adds what it knows: what the user may do, and what was asked."""

OF_ROUTES = {
    *("DagPage", "BuildPage", "ReleasePage", "TryPage", "EventPage", "Changes", "ClearedRuns"),
    *("Health", "May"),
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


NOT_BEHIND_THE_API = ("airflow3/bundles/", "services/upkeep/uninstall.py", "core/errors.py")
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
    assert set(facts_told()) <= schemas.Facts.model_fields.keys()


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
