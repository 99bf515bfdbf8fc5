"""Scenarios that both clients play: on asyncio, on trio and without a loop."""
