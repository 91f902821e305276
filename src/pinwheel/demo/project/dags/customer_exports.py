"""One Dag per customer of customer_exports.yaml."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from airflow.sdk import dag, task
from shop.warehouse import connect

SETTINGS = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())


def export(customer: str, settings: dict[str, Any]) -> None:
    @dag(
        dag_id=f"export_{customer}",
        schedule=settings["schedule"],
        start_date=datetime(2025, 1, 1),
        catchup=False,
        tags=["exports"],
    )
    def build() -> None:
        @task
        def select(columns: list[str]) -> list[list[Any]]:
            with connect() as connection:
                rows = connection.execute("SELECT * FROM orders WHERE customer = ?", (customer,))
                return [[row[column] for column in columns] for row in rows]

        @task
        def send(rows: list[list[Any]]) -> None:
            print(f"{customer}: {len(rows)} rows")

        send(select(settings["columns"]))

    build()


for name, of_customer in SETTINGS["customers"].items():
    export(name, of_customer)
