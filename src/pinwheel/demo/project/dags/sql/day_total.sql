-- {{ dag_run.run_id }}
SELECT count(*) AS orders, sum(net_cents) AS net_cents
FROM orders
