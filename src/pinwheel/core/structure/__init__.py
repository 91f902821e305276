"""What a Dag looks like: what differs, as a graph, as rows."""
