"""Exit codes, and the one exception that ends a command with a sentence instead of a traceback."""

OK = 0
FAILED = 1
USAGE = 2
BAD_FILE = 65
BAD_CONFIG = 78


class UserError(Exception):
    """Something the user can put right.

    The message says what is wrong and what to do, in whole sentences; `exit_code` is a code above.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
