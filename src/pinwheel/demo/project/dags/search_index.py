"""Brings the search up to date whenever the catalog was written."""

from __future__ import annotations

from airflow.sdk import Asset, dag, task


@dag(schedule=[Asset("shop://catalog")], tags=["catalog"])
def search_index() -> None:
    @task
    def update() -> None:
        print("indexed")

    update()


search_index()
