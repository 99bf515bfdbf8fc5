"""The operations: one typed generator for each thing that a client can ask."""
