"""Parses: what must be parsed, and why."""
