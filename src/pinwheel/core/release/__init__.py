"""Releases: what may follow what, where a build stands, what Airflow's rows must say of it."""
