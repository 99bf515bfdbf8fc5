"""Where each message and field of the schema is reached without protobuf, and how to prove it."""
