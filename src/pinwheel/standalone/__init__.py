"""A complete local Airflow with Pinwheel: what `pinwheel standalone` and the demo start.

It starts Airflow's own commands as child processes and imports nothing of Airflow itself.
"""

from __future__ import annotations

from pinwheel.standalone.deployment import Deployment, Login
from pinwheel.standalone.source import Source

__all__ = ["Deployment", "Login", "Source"]
