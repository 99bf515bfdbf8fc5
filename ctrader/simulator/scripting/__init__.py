"""What a test or a demonstration wants to become of what is coming."""
