"""The sans-IO core: bytes, time and commands in; bytes, deadline, effects out."""
