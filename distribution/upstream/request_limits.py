"""The variable that says how large the body of a request may be."""

MAX_REQUEST_BYTES = "MAX_REQUEST_BYTES"
DEFAULT_MAX_REQUEST_BYTES = 64 << 20
