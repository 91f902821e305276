"""Rollouts: one place of one Dag on its way, from gate to gate, until it is in force and proven."""
