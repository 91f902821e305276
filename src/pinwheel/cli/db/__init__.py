"""``pinwheel db``: Airflow's schema follows the deployed version, up and down. Also on Airflow before 3.3."""
