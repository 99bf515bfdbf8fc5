"""Tests of the sans-IO core, under virtual time."""
