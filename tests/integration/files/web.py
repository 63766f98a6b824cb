"""HTTP requests that have time: a machine that runs tests may be busy."""

from functools import partial

import httpx

_PATIENCE_SECS = 120

get = partial(httpx.get, timeout=_PATIENCE_SECS)
head = partial(httpx.head, timeout=_PATIENCE_SECS)
post = partial(httpx.post, timeout=_PATIENCE_SECS)
delete = partial(httpx.delete, timeout=_PATIENCE_SECS)
stream = partial(httpx.stream, timeout=_PATIENCE_SECS)
