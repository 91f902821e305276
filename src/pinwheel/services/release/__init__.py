"""Carrying out a decision: what it needs, what it writes, what can be gone back to."""
