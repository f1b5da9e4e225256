"""What the node remembers: rows in a database, bytes in a folder. Rows are changed here and in the queue only."""
