"""The watched folder: files that somebody lays down are taken like films that somebody sends."""
