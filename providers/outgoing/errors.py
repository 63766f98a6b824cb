"""What is raised when a request may not lead where it wants to."""


class URLNotAllowed(PermissionError):
    """A URL of a request that this server does not fetch; clients see a 403."""

    error_code = "url_not_allowed"
    """The `code` in the body of the answer."""
