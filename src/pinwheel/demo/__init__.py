"""``python -m pinwheel.demo``: a local Airflow over a sample repository, and the story of its releases."""
