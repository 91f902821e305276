"""What is left on the shelves, and what to order."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import dag, task
from shop.operators import SqlOperator


@dag(schedule="@hourly", start_date=datetime(2025, 1, 1), catchup=False, tags=["inventory"])
def inventory_hourly() -> None:
    @task
    def find_gaps(rows: list[dict[str, int | str]]) -> list[str]:
        return [str(row["article"]) for row in rows if int(row["pieces"]) < int(row["sold"])]

    @task
    def order(articles: list[str]) -> None:
        print("to order:", ", ".join(articles) or "nothing")

    count = SqlOperator(task_id="count", sql="sql/shelves.sql")
    order(find_gaps(count.output))


inventory_hourly()
