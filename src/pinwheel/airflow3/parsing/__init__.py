"""Parsing Dag files in Airflow's own parser processes, with a record of what each parse used."""

from __future__ import annotations

from pinwheel.airflow3.parsing.handover import take_facts
from pinwheel.airflow3.parsing.process import TracingProcess
from pinwheel.airflow3.parsing.runtime import ParseRuntime, current_runtime

__all__ = ["ParseRuntime", "TracingProcess", "current_runtime", "take_facts"]
