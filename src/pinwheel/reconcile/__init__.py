"""The metadata database follows the deployed Airflow, up and down: ``pinwheel db``.

Runs on every Airflow 3 image, also on those where the rest of Pinwheel is switched off. It imports nothing of
Pinwheel but ``pinwheel.core.errors``, and Airflow in one module only (``installed``).
"""
