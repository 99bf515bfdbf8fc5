"""The trading floor: orders, their rules, their fills and their protection."""
