"""Keeping what stands well: rows repaired, what nobody needs removed, one process for each duty."""
