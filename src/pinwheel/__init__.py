"""Release management for Apache Airflow Dags.

Parsing makes *builds*; only a *release* changes what Airflow runs.
"""

from __future__ import annotations

__version__ = "0.1.0"
MINIMUM_AIRFLOW = (3, 3)

__all__ = ["MINIMUM_AIRFLOW", "__version__"]
