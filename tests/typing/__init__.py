"""What both type checkers must say of the public face; nothing here is run."""
