"""Writes the catalog."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import Asset, dag, task
from shop import prices

CATALOG = Asset("shop://catalog")


@dag(schedule="0 6 * * *", start_date=datetime(2025, 1, 1), catchup=False, tags=["catalog"])
def catalog_publish() -> None:
    @task(outlets=[CATALOG])
    def publish() -> dict[str, int]:
        catalog = {article: prices.gross(net) for article, net in {"pinwheel": 400, "kite": 2500}.items()}
        print("prices in cents:", catalog)
        return catalog

    publish()


catalog_publish()
