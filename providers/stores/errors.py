"""What stores raise.

StoreUnavailable    the database cannot be reached or not be used; the message says why
Duplicate           a row of this key is there already
"""


class StoreUnavailable(ConnectionError):
    """The store cannot be reached, or not be used. The server answers 502 with the message."""


class Duplicate(Exception):
    """A row is not inserted because its table has one of the same key."""
