"""The variable that says how long requests in flight may take once the server is asked to stop."""

SHUTDOWN_GRACE_SECONDS = "SHUTDOWN_GRACE_SECONDS"
DEFAULT_SHUTDOWN_GRACE_SECONDS = 20
"""With what comes after, this is less than the 30 seconds that Kubernetes gives a pod unless it is told otherwise."""
