"""What there is to see in Airflow's rows. Nothing here locks or writes."""
