"""Real Airflow, real databases and real git repositories for tests.

processes   start process groups and make certain that they end, whatever happens to pytest
databases   one way to ask for a fresh metadata database, on PostgreSQL or SQLite
postgres    one PostgreSQL server for the session, a migrated template, a copy for each deployment
sqlite      the same with a migrated file
redis       a Redis server on a free port (CeleryExecutor)
airflow_env AirflowEnv: one isolated deployment whose components start, stop, crash and restart
bundles     entries of ``dag_bundle_config_list``
gitrepo     GitRepo: a real git repository that tests push to
followers   the versions of new runs of Dags that follow
kube_api    a Kubernetes API server, with the small cluster of kube_cluster behind it
dags        Dag sources whose tasks print what really ran
"""
