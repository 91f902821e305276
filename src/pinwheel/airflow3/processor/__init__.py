"""The Dag processor: Airflow's own loop, with what a parse means replaced."""
