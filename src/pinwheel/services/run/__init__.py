"""Runs on a chosen build, and what a run is bound to."""
