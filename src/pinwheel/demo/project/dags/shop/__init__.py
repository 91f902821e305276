"""Helpers of the shop's pipelines."""
