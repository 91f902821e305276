"""Where the commands do their work: on the database of the Airflow here, or on the REST API elsewhere."""
