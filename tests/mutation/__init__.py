"""Mutation checks: would a test of a module notice if a line of it were wrong? ``make mutation``."""
