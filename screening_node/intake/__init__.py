"""Taking films in: C-STORE and C-ECHO; bytes on disk and rows committed before anybody hears success."""
