"""Tests of both clients over real sockets."""
