"""Tests on real EURUSD hours; `nox -s replay` runs them."""
