"""What this server fetches because a request says so: one place that decides, and connects to what it decided on.

`fetch` gets content (an image, a document, a dataset), `tool_client` is the HTTP client for a tool's server, and
`check` says beforehand what either would refuse. What the run config names is the operator's own and no matter of
this package.
"""

from providers.outgoing.errors import URLNotAllowed
from providers.outgoing.fetch import ContentClient, fetch, tool_client
from providers.outgoing.gate import Gate, Purpose, check
from providers.outgoing.rules import VARIABLE, Rules, RulesError

__all__ = [
    "VARIABLE",
    "ContentClient",
    "Gate",
    "Purpose",
    "Rules",
    "RulesError",
    "URLNotAllowed",
    "check",
    "fetch",
    "tool_client",
]
