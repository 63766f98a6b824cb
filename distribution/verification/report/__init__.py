"""A verdict as text, as JSON and SARIF, and in Kubernetes's termination log."""
