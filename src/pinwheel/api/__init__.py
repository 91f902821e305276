"""The REST API: thin FastAPI routes over the services.

No Airflow is imported here. Who asks, what they may do and where the data lies is handed to
:func:`pinwheel.api.app.create_app` as an :class:`pinwheel.api.access.Access` per request and a host.
"""
