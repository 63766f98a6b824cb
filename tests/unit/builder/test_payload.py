"""What the kit puts into an image."""

from collections import Counter

import pytest

from builder import payload
from builder.debian import rootfs


@pytest.mark.parametrize("site", [rootfs.SITE_PACKAGES, "opt/llama-stack-python/lib/python3.12/site-packages"])
def test_each_path_is_there_once(site: str) -> None:
    """Docker refuses to load a layer that names a path twice."""
    paths = Counter(entry.path for entry in payload.code(site))
    assert [path for path, count in paths.items() if count > 1] == []
    assert {"opt/llama-stack/distribution/__main__.py", f"{site}/{payload.PATH_FILE}", "data"} <= paths.keys()
