"""The exchange's records as messages of the protocol."""
