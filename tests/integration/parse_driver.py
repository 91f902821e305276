"""Runs one parser process to its end, as the Dag processor's loop does."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from airflow.dag_processing.processor import DagFileProcessorProcess
from airflow.sdk.api.datamodels._generated import ConnectionResponse, VariableResponse
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse
from uuid6 import uuid7

from pinwheel.airflow3.parsing import TracingProcess
from pinwheel.airflow3.parsing.process import prepare

__all__ = ["FakeClient", "parse"]


class FakeClient:
    """Answers for Variables and Connections without an API server."""

    def __init__(self, variables: dict[str, str], connections: dict[str, str]) -> None:
        known = variables
        hosts = connections

        class Variables:
            def get(self, key: str) -> Any:
                if key in known:
                    return VariableResponse(key=key, value=known[key])
                return ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND, detail={"key": key})

        class Connections:
            def get(self, conn_id: str) -> Any:
                if conn_id in hosts:
                    return ConnectionResponse.model_validate(
                        {"schema": None, "login": None, "password": None, "port": None, "extra": None}
                        | {"conn_id": conn_id, "conn_type": "http", "host": hosts[conn_id]}
                    )
                return ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND, detail={"conn_id": conn_id})

        self.variables = Variables()
        self.connections = Connections()


def parse(
    bundle: Path,
    file: str,
    *,
    traced: bool = True,
    variables: dict[str, str] | None = None,
    connections: dict[str, str] | None = None,
    process_class: type[DagFileProcessorProcess] | None = None,
    timeout: float = 60,
    target: Callable[[], None] | None = None,
) -> Any:
    """The DagFileParsingResult of ``bundle/file``; None when the process ended without one."""
    if traced:
        prepare(os.fspath(bundle))
    selector = selectors.DefaultSelector()
    chosen = process_class or (TracingProcess if traced else DagFileProcessorProcess)
    process = chosen.start(
        id=uuid7(),
        path=bundle / file,
        bundle_path=bundle,
        bundle_name="test",
        dag_file_rel_path=file,
        callbacks=[],
        selector=selector,
        logger=structlog.get_logger("parse"),
        logger_filehandle=open(os.devnull, "wb"),  # noqa: SIM115 - the process closes it
        client=FakeClient(variables or {}, connections or {}),
        **({"target": target} if target else {}),
    )
    deadline = time.monotonic() + timeout
    while not process.is_ready:
        assert time.monotonic() < deadline, "the parser did not end"
        for key, _ in selector.select(timeout=0.05):
            handler, on_close = key.data
            try:
                more = handler(key.fileobj)
            except (BrokenPipeError, ConnectionResetError):
                more = False
            if not more:
                on_close(key.fileobj)
    process.close()
    selector.close()
    return process.parsing_result
