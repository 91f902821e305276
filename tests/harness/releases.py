"""Pinwheel as a client sees it, and Airflow's rows beside it: what the invariants are stated on."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import httpx

from harness.airflow_env import ASKED_AGAIN, AirflowEnv
from harness.processes import wait_for

# Wall-clock columns; everything else of a row is compared.
_TIMES = {
    "last_parsed_time",
    "last_parse_duration",
    "last_expired",
    "created_at",
    "last_updated",
    "next_dagrun",
    "next_dagrun_create_after",
    "next_dagrun_data_interval_start",
    "next_dagrun_data_interval_end",
    "exceeds_max_non_backfill",
}


def unique(base: str) -> str:
    """A Dag id that no other test of the session has."""
    return f"{base}_{uuid.uuid4().hex[:6]}"


class Releases:
    """Pinwheel's REST API in a running deployment, and waiting for what its Dag processor does.

    A changing method gives the outcome; with ``code=`` the answer must be that error, and gives the problem.
    """

    def __init__(self, env: AirflowEnv) -> None:
        self.env = env

    # reading

    def status(self, dag_id: str) -> dict[str, Any]:
        return dict(self.env.get(f"/pinwheel/api/v1/dags/{dag_id}"))

    def builds(self, dag_id: str) -> list[dict[str, Any]]:
        """Good and broken, newest first."""
        return list(self.env.get(f"/pinwheel/api/v1/dags/{dag_id}/builds")["builds"])

    def releases(self, dag_id: str) -> list[dict[str, Any]]:
        """Newest first."""
        return list(self.env.get(f"/pinwheel/api/v1/dags/{dag_id}/releases")["releases"])

    def tries(self, dag_id: str, run_id: str | None = None) -> list[dict[str, Any]]:
        params = {"run_id": run_id} if run_id else {}
        return list(self.env.get(f"/pinwheel/api/v1/dags/{dag_id}/runs", **params)["tries"])

    def events(self, dag_id: str, *kinds: str) -> list[dict[str, Any]]:
        """Newest first."""
        return list(self.env.get("/pinwheel/api/v1/events", ids=[dag_id], kind=list(kinds))["events"])

    # changing

    def pin(self, dag_id: str, **body: Any) -> dict[str, Any]:
        return self._post(f"dags/{dag_id}/pin", body)

    def unpin(self, dag_id: str, **body: Any) -> dict[str, Any]:
        return self._post(f"dags/{dag_id}/unpin", body)

    def promote(self, dag_id: str, **body: Any) -> dict[str, Any]:
        return self._post(f"dags/{dag_id}/promote", body)

    def rollback(self, dag_id: str, **body: Any) -> dict[str, Any]:
        return self._post(f"dags/{dag_id}/rollback", body)

    def batch(self, verb: str, dag_ids: list[str], **body: Any) -> dict[str, Any]:
        return self._post("changes", {"verb": verb, "selector": {"ids": dag_ids}, **body})

    def trigger(self, dag_id: str, **body: Any) -> dict[str, Any]:
        return self._post(f"dags/{dag_id}/runs", body)

    def clear(self, dag_id: str, run_id: str, **body: Any) -> dict[str, Any]:
        return self._post(f"dags/{dag_id}/runs/{run_id}/clear", body)

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        body = dict(body)
        code = body.pop("code", None)
        reply = self.env.api().post(f"/pinwheel/api/v1/{path}", json=body)
        if code is None:
            assert not reply.is_error, f"{path} -> {reply.status_code}: {reply.text[:2000]}"
        else:
            assert reply.status_code == code, f"{path} -> {reply.status_code}: {reply.text[:2000]}"
        return dict(reply.json())

    # waiting

    def wait_settled(self, bundle_name: str, version: str, timeout: float = 60.0) -> None:
        """Until every file of this bundle version is known and what follows from it is done."""
        last: list[dict[str, Any]] = []

        def settled() -> bool:
            nonlocal last
            last = self.env.rows(
                "SELECT head_version, head_seq, settled_seq FROM pinwheel_bundle WHERE name = :name",
                name=bundle_name,
            )
            return bool(
                last and last[0]["head_version"] == version and last[0]["settled_seq"] == last[0]["head_seq"]
            )

        wait_for(settled, timeout, lambda: f"bundle {bundle_name} settled at {version}, last {last}")

    def wait_active(self, dag_id: str, build: int, timeout: float = 60.0) -> dict[str, Any]:
        """The Dag's status, once this build is active."""
        return self.wait_status(dag_id, lambda status: status["active_build"] == build, timeout)

    def wait_status(self, dag_id: str, predicate: Any, timeout: float = 60.0) -> dict[str, Any]:
        """The Dag's status, once *predicate* holds for it."""
        last: Any = None

        def reached() -> dict[str, Any] | None:
            nonlocal last
            reply: httpx.Response = self.env.api().get(f"/pinwheel/api/v1/dags/{dag_id}")
            last = reply.json()
            return last if reply.status_code == 200 and predicate(last) else None

        message = lambda: f"status of {dag_id}, last {last}\n{self.env.tails()}"  # noqa: E731
        found = wait_for(reached, timeout, message, ASKED_AGAIN)
        assert found
        return found

    def wait_event(self, dag_id: str, kind: str, after: int = 0, timeout: float = 30.0) -> dict[str, Any]:
        """The oldest event of this kind with an id above ``after``."""
        found = wait_for(
            lambda: [event for event in self.events(dag_id, kind) if event["id"] > after],
            timeout,
            lambda: f"event {kind} of {dag_id}; there are {self.events(dag_id)}",
            ASKED_AGAIN,
        )
        return found[-1]

    def last_event_id(self) -> int:
        return int(self.env.scalar("SELECT coalesce(max(id), 0) FROM pinwheel_event"))

    # Airflow's rows

    def newest_version(self, dag_id: str) -> dict[str, Any]:
        """Airflow's newest ``dag_version`` of a Dag."""
        return self.env.rows(
            "SELECT * FROM dag_version WHERE dag_id = :d ORDER BY version_number DESC LIMIT 1", d=dag_id
        )[0]

    def rows_of_version(self, version_id: Any) -> dict[str, Any]:
        """All that Airflow keeps of one version, as text, times included."""
        return {
            table: [
                {name: str(value) for name, value in row.items()}
                for row in self.env.rows(f"SELECT * FROM {table} WHERE {column} = :v", v=version_id)
            ]
            for table, column in (
                ("dag_version", "id"),
                ("serialized_dag", "dag_version_id"),
                ("dag_code", "dag_version_id"),
            )
        }

    def what_runs(self, dag_id: str) -> dict[str, Any]:
        """Everything in Airflow's rows that decides what a new run of the Dag is, without times."""
        dag = self.env.rows("SELECT * FROM dag WHERE dag_id = :d", d=dag_id)
        found: dict[str, Any] = {
            "dag": [{k: str(v) for k, v in row.items() if k not in _TIMES} for row in dag],
            "tags": sorted(
                row["name"] for row in self.env.rows("SELECT name FROM dag_tag WHERE dag_id = :d", d=dag_id)
            ),
            "version": self.rows_of_version(self.newest_version(dag_id)["id"]),
        }
        for reference in (
            "dag_schedule_asset_reference",
            "task_outlet_asset_reference",
            "task_inlet_asset_reference",
        ):
            found[reference] = sorted(
                str(row["asset_id"])
                for row in self.env.rows(f"SELECT asset_id FROM {reference} WHERE dag_id = :d", d=dag_id)
            )
        return found

    def check_active_is_latest(self, dag_id: str) -> dict[str, Any]:
        """Invariant 1 by Airflow's own rows and Pinwheel's ledger; the active release."""
        (release,) = [row for row in self.releases(dag_id) if row["active"]]
        (ledger,) = self.env.rows(
            "SELECT r.dag_version_id, r.bundle_version, b.files, b.relative_fileloc FROM pinwheel_release r"
            " JOIN pinwheel_build b ON b.id = r.build_id WHERE r.dag_id = :d AND r.release = :n",
            d=dag_id,
            n=release["release"],
        )
        (dag,) = self.env.rows("SELECT * FROM dag WHERE dag_id = :d", d=dag_id)
        newest = self.newest_version(dag_id)
        assert newest["version_number"] == release["release"]
        assert str(newest["id"]) == str(ledger["dag_version_id"])
        assert newest["bundle_version"] == dag["bundle_version"] == ledger["bundle_version"]
        assert newest["bundle_name"] == dag["bundle_name"]
        assert not dag["is_stale"] and not dag["has_import_errors"]
        for table in ("serialized_dag", "dag_code"):
            (row,) = self.env.rows(f"SELECT * FROM {table} WHERE dag_version_id = :v", v=newest["id"])
            order = "created_at" if table == "serialized_dag" else "last_updated"
            by_time = self.env.scalar(
                f"SELECT dag_version_id FROM {table} WHERE dag_id = :d ORDER BY {order} DESC LIMIT 1",
                d=dag_id,
            )
            assert str(by_time) == str(row["dag_version_id"]), f"{table}: another one is newest by {order}"
        return release
