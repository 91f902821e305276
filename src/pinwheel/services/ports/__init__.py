"""What the services need from the world around them: five ports, implemented in ``airflow3`` for real."""
