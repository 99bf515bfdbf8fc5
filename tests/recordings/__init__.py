"""Tests on what a real server was recorded to say; `nox -s recordings` runs them."""
