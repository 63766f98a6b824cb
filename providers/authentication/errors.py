"""Why somebody does not get in. What the errors say is for the log; clients are told nothing of it."""


class NotAuthenticated(Exception):
    """The request has no token, or one that gets nobody in."""


class AuthenticationUnavailable(Exception):
    """Nobody can say now whether the token is right."""
