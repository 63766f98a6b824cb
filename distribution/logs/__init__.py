"""The log of the server: one line for each entry, plain or JSON, and one entry for each request."""
