"""Implements :class:`pinwheel.services.ports.reads.Reads`: this module is the port."""

from __future__ import annotations

from pinwheel.airflow3.reads.assets import lone_assets
from pinwheel.airflow3.reads.dags import airflow_dags, may_wait_for, select
from pinwheel.airflow3.reads.dated import dated_runs
from pinwheel.airflow3.reads.fleet import (
    active_with_failures,
    busy,
    cards,
    counts_by_version,
    dags_of_bundles,
    in_files,
    matching,
    owners_and_tags,
    tags_of,
)
from pinwheel.airflow3.reads.grid import instance_groups, instance_rows, run_page, versions_of_instances
from pinwheel.airflow3.reads.line import earlier_ends, placed_runs, run_counts
from pinwheel.airflow3.reads.runs import all_row_ids, failed_runs
from pinwheel.airflow3.reads.traces import failing, missed_deadlines, traces
from pinwheel.airflow3.reads.tries import count_runs, present, runs, some_runs, tries
from pinwheel.airflow3.reads.unbound import astray_runs, ended_unbound, jobs_of, row_ids, unbound_runs
from pinwheel.airflow3.reads.unrecorded import running_runs, unrecorded_outcomes, unrecorded_runs
from pinwheel.airflow3.reads.versions import (
    airflow_versions,
    existing_version_ids,
    serialized,
    serialized_hashes,
    unused,
    version_id_of,
    versions_before,
    view_urls,
)

__all__ = [
    "active_with_failures",
    "airflow_dags",
    "airflow_versions",
    "all_row_ids",
    "astray_runs",
    "busy",
    "cards",
    "count_runs",
    "counts_by_version",
    "dags_of_bundles",
    "dated_runs",
    "earlier_ends",
    "ended_unbound",
    "existing_version_ids",
    "failed_runs",
    "failing",
    "in_files",
    "instance_groups",
    "instance_rows",
    "jobs_of",
    "lone_assets",
    "matching",
    "may_wait_for",
    "missed_deadlines",
    "owners_and_tags",
    "placed_runs",
    "present",
    "row_ids",
    "run_counts",
    "run_page",
    "running_runs",
    "runs",
    "select",
    "serialized",
    "serialized_hashes",
    "some_runs",
    "tags_of",
    "traces",
    "tries",
    "unbound_runs",
    "unrecorded_outcomes",
    "unrecorded_runs",
    "unused",
    "version_id_of",
    "versions_before",
    "versions_of_instances",
    "view_urls",
]
