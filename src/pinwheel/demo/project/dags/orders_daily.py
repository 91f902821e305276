"""Totals of the day's orders."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import dag, task
from shop import prices
from shop.operators import SqlOperator
from shop.warehouse import connect


@dag(schedule="@daily", start_date=datetime(2025, 1, 1), catchup=False, tags=["orders"])
def orders_daily() -> None:
    """Sums the orders with `sql/day_total.sql`, adds VAT, stores the total."""

    @task
    def add_vat(rows: list[dict[str, int]]) -> dict[str, int]:
        net = rows[0]["net_cents"]
        total = {"orders": rows[0]["orders"], "net_cents": net, "gross_cents": prices.gross(net)}
        print(f"{total['orders']} orders, {total['gross_cents'] / 100:.2f} EUR with {prices.describe()}")
        return total

    @task
    def store(total: dict[str, int], ds: str | None = None) -> None:
        with connect() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO totals VALUES (?, ?, ?, ?)",
                (ds or "by hand", total["orders"], total["net_cents"], total["gross_cents"]),
            )

    sum_up = SqlOperator(task_id="sum_up", sql="sql/day_total.sql")
    store(add_vat(sum_up.output))


orders_daily()
