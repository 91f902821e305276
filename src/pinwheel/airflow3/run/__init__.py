"""Runs: made, cleared and recorded."""
