"""What Pinwheel tells Airflow about itself as a provider package."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Provider metadata. On an Airflow older than 3.3 only the name: nothing there is switched on."""
    info: dict[str, Any] = {
        "package-name": "airflow-pinwheel",
        "name": "Pinwheel",
        "description": "Release management for Dags: builds, releases, pins and instant rollback.",
    }
    from pinwheel.airflow3.compat import airflow_is_supported

    if airflow_is_supported():
        info["db-managers"] = ["pinwheel.airflow3.db_manager.PinwheelDBManager"]
        info["config"] = _config()
    return info


def _config() -> dict[str, Any]:
    return {
        "pinwheel": {
            "description": "Release management for Dags.",
            "options": {
                "drift_check_interval": {
                    "description": (
                        "Seconds between two checks of Airflow's rows against the active releases. "
                        "What another writer changed in between is repaired and recorded."
                    ),
                    "version_added": "0.1.0",
                    "type": "float",
                    "example": None,
                    "default": "3",
                },
                "verify_budget": {
                    "description": (
                        "CPU seconds per second that the whole deployment may use to parse, in the "
                        "background, files that were judged unchanged: what a parse asked in a way that "
                        "nobody sees is found so. 0.05 verifies some 1,000 files an hour; 0 switches it off."
                    ),
                    "version_added": "0.1.0",
                    "type": "float",
                    "example": None,
                    "default": "0.05",
                },
                "assert_interval": {
                    "description": (
                        "Seconds after which the rows of each active Dag are written anew, as a parse "
                        "would do: next run, run limits, asset watchers, time of the last parse."
                    ),
                    "version_added": "0.1.0",
                    "type": "integer",
                    "example": None,
                    "default": "300",
                },
                "task_windows": {
                    "description": (
                        "on: a run has no task whose start and end date do not hold the date of the run's "
                        "data, whatever made the run. off: as in Airflow, where that is so of runs with a "
                        "logical date and not of backfills. Builds that were made before stay as they are."
                    ),
                    "version_added": "0.1.0",
                    "type": "string",
                    "example": "off",
                    "default": "on",
                },
                "max_variants": {
                    "description": (
                        "Stretches of dates into which start and end dates of tasks may divide time. Each is "
                        "a whole serialized Dag in Airflow's tables; of a Dag with more no build is made."
                    ),
                    "version_added": "0.1.0",
                    "type": "integer",
                    "example": None,
                    "default": "24",
                },
                "users": {
                    "description": (
                        "Which user an author of commits is: a JSON object of users by e-mail address or "
                        "name. One who is not in it is looked for among the users of the auth manager, "
                        "where that is Airflow's simple one or FAB's, by address and then by name. Who is "
                        "found nowhere costs one more approval."
                    ),
                    "version_added": "0.1.0",
                    "type": "string",
                    "example": '{"ada@example.org": "ada"}',
                    "default": "",
                },
                "not_persons": {
                    "description": (
                        "E-mail addresses or names, separated by commas, that commits name and that are no "
                        "persons: what a code host commits as when it merges. They are no authors."
                    ),
                    "version_added": "0.1.0",
                    "type": "string",
                    "example": "noreply@github.com, renovate[bot]",
                    "default": "noreply@github.com",
                },
                "not_approvers": {
                    "description": (
                        "Users, separated by commas, that are no persons: their approvals never count."
                    ),
                    "version_added": "0.1.0",
                    "type": "string",
                    "example": "deploy-bot",
                    "default": "",
                },
                "keep_builds": {
                    "description": (
                        "Builds of each Dag that were never released or tried, counted from its newest "
                        "build; older ones are removed once a day. Numbers are never given again."
                    ),
                    "version_added": "0.1.0",
                    "type": "integer",
                    "example": None,
                    "default": "50",
                },
                "keep_releases": {
                    "description": (
                        "Newest releases of each Dag whose files stay fetchable, beside those of "
                        "keep_releases_days, the active one, the way back, and each that a run of "
                        "Airflow's is on. Older ones stay in the history and can not be released again."
                    ),
                    "version_added": "0.1.0",
                    "type": "integer",
                    "example": None,
                    "default": "50",
                },
                "keep_releases_days": {
                    "description": "Days for which the files of every release stay fetchable.",
                    "version_added": "0.1.0",
                    "type": "integer",
                    "example": None,
                    "default": "90",
                },
                "keep_events_days": {
                    "description": (
                        "Days for which events are kept; the last of each kind of each Dag always is."
                    ),
                    "version_added": "0.1.0",
                    "type": "integer",
                    "example": None,
                    "default": "400",
                },
                "policy_file": {
                    "description": (
                        "Path of a file with rules and policies, on the machine of the keeper, which looks "
                        "at it every five seconds. What it says is the document policy_file; while it is "
                        "wrong or not there, what it said before stays in force. Empty: there is none, and "
                        "what it said is taken away when a keeper starts."
                    ),
                    "version_added": "0.1.0",
                    "type": "string",
                    "example": "/etc/airflow/policies.yaml",
                    "default": "",
                },
                "bundle_max_files": {
                    "description": (
                        "Files of one version of a GitBundle or FolderBundle. A version with more is "
                        "refused, and the one in use stays. 0 is no limit. Versions that were taken once "
                        "are not asked again."
                    ),
                    "version_added": "0.1.0",
                    "type": "integer",
                    "example": None,
                    "default": "1000000",
                },
                "bundle_max_file_bytes": {
                    "description": (
                        "Bytes of one file of such a version; a version with a larger one is refused. "
                        "0 is no limit."
                    ),
                    "version_added": "0.1.0",
                    "type": "integer",
                    "example": None,
                    "default": "4294967296",
                },
                "bundle_max_bytes": {
                    "description": (
                        "Bytes of all files of such a version together; a larger one is refused. "
                        "0 is no limit."
                    ),
                    "version_added": "0.1.0",
                    "type": "integer",
                    "example": None,
                    "default": "21474836480",
                },
            },
        }
    }
