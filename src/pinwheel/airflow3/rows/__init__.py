"""Airflow's rows, written: what a release, a version or a broken file makes of them."""
