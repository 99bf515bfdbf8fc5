"""Clients that nobody here wrote, against the simulator: `nox -s foreign`."""
