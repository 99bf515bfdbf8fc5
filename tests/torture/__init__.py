"""Simulated hours of trading under faults, and a judge of what came of them."""
