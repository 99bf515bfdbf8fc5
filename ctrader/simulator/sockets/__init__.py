"""The exchange on real sockets: doors, connections, and the thread that serves."""
