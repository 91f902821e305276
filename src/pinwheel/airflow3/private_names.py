"""Every name of Airflow that is not public and that Pinwheel uses anyway.

``tests/integration/test_private_names.py`` checks them first on each supported Airflow, so that a release
of Airflow which renames one fails there with its reason, not somewhere in a Dag processor.
"""

from __future__ import annotations

PRIVATE_NAMES: tuple[tuple[str, str, str], ...] = (
    (
        "airflow.dag_processing.processor",
        "_parse_file(msg, log)",
        "parsing/entrypoint.py: the traced child parses with Airflow's own function",
    ),
    (
        "airflow.dag_processing.processor",
        "_parse_file_entrypoint()",
        "parsing/entrypoint.py: repeated there; read it again when its source changes",
    ),
    (
        "airflow.providers.git.hooks.git",
        "GitHook._ensure_github_app_token(self)",
        "bundles/hook_environment.py: GitHub is asked before other bundles have to wait",
    ),
    (
        "airflow.sdk.execution_time.comms",
        "CommsDecoder._get_response(self)",
        "parsing/entrypoint.py: how the child gets its parse request",
    ),
    (
        "airflow.dag_processing.manager",
        "DagFileProcessorManager._create_process(self, dag_file)",
        "processor/manager.py: the only place at which another process class can be started",
    ),
    (
        "airflow.dag_processing.manager",
        "DagFileProcessorManager._get_logger_for_dag_file(self, dag_file)",
        "parsing/process.py: the traced child's log is the file's usual one",
    ),
    (
        "airflow.dag_processing.manager",
        "DagFileProcessorManager._callback_to_execute",
        "parsing/process.py: a file with callbacks to run is left to Airflow",
    ),
    (
        "airflow.dag_processing.manager",
        "DagFileProcessorManager._dag_bundles",
        "processor/manager.py: the bundles of this processor",
    ),
    (
        "airflow.dag_processing.manager",
        "DagFileProcessorManager._file_queue",
        "processor/manager.py: queued files are to be read from the newest version's directory",
    ),
    (
        "airflow.dag_processing.manager",
        "DagFileProcessorManager._file_stats",
        "processor/manager.py: a file that need not be parsed is not a new one",
    ),
    (
        "airflow.dag_processing.manager",
        "DagFileProcessorManager._file_process_interval",
        "processor/manager.py: how often impure files are parsed",
    ),
    (
        "airflow.dag_processing.manager",
        "DagFileProcessorManager._processors",
        "processor/manager.py: what is being parsed is not queued again",
    ),
    (
        "airflow.dag_processing.manager",
        "DagFileProcessorManager._add_files_to_queue(self, files, mode)",
        "processor/manager.py: what to parse next",
    ),
    (
        "airflow.dag_processing.manager",
        "DagFileProcessorManager._kill_timed_out_processors(self)",
        "processor/manager.py: a parse that took too long is a broken build",
    ),
    (
        "airflow.dag_processing.manager",
        "DagFileProcessorManager._start_new_processes(self)",
        "processor/manager.py: a verification makes way for what waits for a slot",
    ),
    (
        "airflow.dag_processing.manager",
        "DagFileProcessorManager._parallelism",
        "processor/manager.py: whether there is a slot for a verification",
    ),
    (
        "airflow.dag_processing.manager",
        "DagFileProcessorManager._get_team_name(self, bundle_name)",
        "processor/manager.py: metrics carry the team as Airflow's do",
    ),
    (
        "airflow.jobs.dag_processor_job_runner",
        "DagProcessorJobRunner._execute(self)",
        "processor/manager.py: run as Airflow's own command runs it",
    ),
    (
        "airflow.models.serialized_dag",
        "SerializedDagModel._generate_deadline_uuids(dag_data)",
        "rows/projection.py: a version's deadlines are rows",
    ),
    (
        "airflow.models.serialized_dag",
        "SerializedDagModel._create_deadline_alert_records(serialized_dag, uuid_mapping)",
        "rows/projection.py: a version's deadlines are rows",
    ),
    (
        "airflow.models.dag",
        "DagModel._dag_display_property_value",
        "rows/projection.py: Airflow's bulk write never takes a display name back",
    ),
    (
        "airflow.serialization.definitions.dag",
        "SerializedDAG._process_dagrun_deadline_alerts(self, orm_dagrun, session)",
        "rows/deadlines.py: a run's deadlines are those of the version that it is bound to",
    ),
    (
        "airflow.models.dagrun",
        "DagRun.verify_integrity(self, session, dag_version_id)",
        "run/rebind.py: a run that is bound by its date gets the version's task instances",
    ),
    (
        "airflow.models.taskinstance",
        "TaskInstance.refresh_from_task(self, task, pool_override, dag_run)",
        "run/rebind.py: what was cleared takes queue and pool of the version",
    ),
    (
        "airflow.models.asset",
        "association_table",
        "reads/dated.py: which asset events a run consumed",
    ),
    (
        "airflow.models.backfill",
        "_create_backfill",
        "run/backfill.py: a backfill without a build is Airflow's own",
    ),
    (
        "airflow.models.backfill",
        "_validate_backfill_params(dag, reverse, from_date, to_date, reprocess_behavior, dag_run_conf)",
        "run/backfill.py: refuses what Airflow refuses",
    ),
    (
        "airflow.models.backfill",
        "_get_dag_run_no_create_reason(dr, reprocess_behavior)",
        "run/backfill.py: which existing runs are run again",
    ),
)
"""(module, name, why). A name in parentheses carries the parameters it must have, in that order."""
