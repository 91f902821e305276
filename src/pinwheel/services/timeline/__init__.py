"""Timelines: which builds a Dag's data of which dates is for."""
