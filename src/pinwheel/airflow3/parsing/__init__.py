"""Parsing Dag files in Airflow's own parser processes, with a record of what each parse used."""

from __future__ import annotations

from pinwheel.airflow3.parsing.environment import ParseEnvironment, current_environment
from pinwheel.airflow3.parsing.handover import take_facts
from pinwheel.airflow3.parsing.process import TracingProcess

__all__ = ["ParseEnvironment", "TracingProcess", "current_environment", "take_facts"]
