"""What can go wrong with a file; ``status_code`` is what llama-stack's server answers an HTTP client."""


class FileTooLarge(Exception):
    """An upload is over the limit."""

    status_code = 413


class UploadGivenUp(Exception):
    """Another replica took the upload for dead and cleared it away."""

    status_code = 503


class StorageError(Exception):
    """The place where contents are kept does not do what is asked; a note says what the operator can do."""

    status_code = 503

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        if advice:
            self.add_note(advice)


class StorageFull(StorageError):
    """There is no room for the content."""

    status_code = 507


class ObjectMissing(Exception):
    """There is no object of this key."""


class FileDamaged(Exception):
    """A content is not what was stored: ``damage`` is one of the words below."""

    status_code = 500

    MISSING = "missing"
    WRONG_LENGTH = "wrong length"
    WRONG_SHA256 = "wrong SHA-256"

    def __init__(self, file_id: str, damage: str) -> None:
        super().__init__(f"The content of file '{file_id}' is damaged in storage: {damage}.")
        self.damage = damage
