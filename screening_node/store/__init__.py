"""What the node remembers: rows in a database, bytes in a folder. Only this room writes SQL."""
