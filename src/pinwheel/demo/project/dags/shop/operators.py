"""Operators of the shop."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator

from shop.warehouse import connect


class SqlOperator(BaseOperator):
    """Runs one statement, which may stand in a ``.sql`` template; returns its rows."""

    template_fields = ("sql",)
    template_ext = (".sql",)

    def __init__(self, *, sql: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sql = sql

    def execute(self, context: Any) -> list[dict[str, Any]]:
        self.log.info("Running:\n%s", self.sql)
        with connect() as connection:
            return [dict(row) for row in connection.execute(self.sql)]
