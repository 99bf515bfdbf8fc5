"""Malformed input: a frozen corpus, and coverage-guided fuzzing of whatever reads bytes."""
