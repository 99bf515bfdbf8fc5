"""The sans-IO core: bytes, the time and commands go in; bytes, a deadline and effects come out."""
