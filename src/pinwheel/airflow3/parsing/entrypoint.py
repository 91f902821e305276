"""What runs in the child: Airflow's own entrypoint, with a tracer around the parse.

Nothing in the tracing may harm the parse. Whatever fails here is logged to the file's log, the result is
sent as stock Airflow would send it, and the manager finds no facts in it.
"""

from __future__ import annotations

import os
import resource
from typing import Any

from airflow import policies, settings
from airflow.dag_processing import processor
from airflow.sdk.execution_time import comms
from pydantic import TypeAdapter

from pinwheel.airflow3.parsing.gather import gather
from pinwheel.airflow3.parsing.handover import put_facts
from pinwheel.airflow3.parsing.paths import repository_of
from pinwheel.airflow3.parsing.tracer import Tracer
from pinwheel.core.text import storable

# Made in the manager, for all parsers.
_REQUESTS = TypeAdapter[processor.ToDagProcessor](processor.ToDagProcessor)
_ERRORS = TypeAdapter[comms.ToTask](comms.ToTask)


class RecordingComms(comms.CommsDecoder):
    """The child's line to the manager; tells the tracer what the Dag's code asks Airflow for."""

    tracer: Tracer | None = None

    def send(self, msg: Any) -> Any:
        if self.tracer is not None:
            self.tracer.asked_airflow(msg)
        return super().send(msg)

    async def asend(self, msg: Any) -> Any:
        if self.tracer is not None:
            self.tracer.asked_airflow(msg)
        return await super().asend(msg)


class _SeenDags:
    """A cluster policy that changes nothing: it keeps each Dag that the parse gives."""

    def __init__(self, dags: dict[str, Any]) -> None:
        self.dags = dags

    @policies.hookimpl
    def dag_policy(self, dag: Any) -> None:
        self.dags[dag.dag_id] = dag


def traced_entrypoint() -> None:
    """Do what ``processor._parse_file_entrypoint`` does (3.3.2, 3.4.0b2) and record the facts."""
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "client"

    import structlog
    from airflow.sdk.execution_time import task_runner

    decoder = RecordingComms(body_decoder=_REQUESTS, err_decoder=_ERRORS)
    msg = decoder._get_response()
    if not isinstance(msg, processor.DagFileParseRequest):
        raise RuntimeError(f"Required first message to be a DagFileParseRequest, it was {msg}")
    task_runner.SUPERVISOR_COMMS = decoder
    log = structlog.get_logger(logger_name="task")

    tracer = None if msg.callback_requests else _start(decoder, msg, log)
    result = processor._parse_file(msg, log)
    if result is not None:
        if tracer is not None:
            _attach(tracer, msg, result, log)
        decoder.tracer = None
        _send(decoder, msg, result, log)


def _start(decoder: RecordingComms, msg: Any, log: Any) -> Tracer | None:
    try:
        tracer = Tracer(repository_of(os.fspath(msg.bundle_path)))
        tracer.start()
        settings.get_policy_plugin_manager().register(_SeenDags(tracer.dags))
        decoder.tracer = tracer
        return tracer
    except Exception:
        log.warning("Pinwheel can not trace this parse", exc_info=True)
        return None


def _send(decoder: RecordingComms, msg: Any, result: Any, log: Any) -> None:
    """Send the result; of one that has no encoding, why. Stock Airflow's parser dies of it without a word."""
    if result.import_errors:
        result.import_errors = {path: storable(error) for path, error in result.import_errors.items()}
    try:
        decoder.send(result)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        log.warning("What this parse gave can not be sent", exc_info=True)
        path = os.path.relpath(msg.file, msg.bundle_path)
        said = storable(
            f"What the Dags of this file hold can not be sent on: {type(error).__name__}: {error}"
        )
        decoder.send(
            result.model_copy(
                update={"serialized_dags": [], "import_errors": {**(result.import_errors or {}), path: said}}
            )
        )


def _cpu_seconds() -> float:
    """CPU seconds that this process and the ones that it waited for have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _attach(tracer: Tracer, msg: Any, result: Any, log: Any) -> None:
    try:
        tracer.stop()
        sent = {dag.dag_id for dag in result.serialized_dags}
        dags = {dag_id: dag for dag_id, dag in tracer.dags.items() if dag_id in sent}
        facts, learned = gather(tracer, msg.file, os.fspath(msg.bundle_path), dags)
        put_facts(result, facts, learned, tracer.airflow_modules, _cpu_seconds())
    except Exception:
        log.warning("Pinwheel can not tell what this parse used", exc_info=True)
