"""One writer per database: SQLite files and PostgreSQL databases."""
