"""Runs: what each of them executes, and why."""
