"""How the bytes of a fitted model are written and read, one format to a file."""
