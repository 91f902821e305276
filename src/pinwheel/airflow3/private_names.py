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
        "parsing/entrypoint.py repeats it; read it again when its source changes",
    ),
    (
        "airflow.sdk.execution_time.comms",
        "CommsDecoder._get_response(self)",
        "parsing/entrypoint.py: how the child gets its parse request",
    ),
    (
        "airflow.dag_processing.manager",
        "DagFileProcessorManager._create_process(self, dag_file)",
        "processor.py: the only place at which another process class can be started",
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
)
"""(module, name, why). A name in parentheses carries the parameters it must have, in that order."""
