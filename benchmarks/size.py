"""What packages take of an image."""

import io
import tarfile
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

import deflate

from builder.image.compression import LEVEL


def compressed(names: Iterable[str]) -> int:
    """Bytes of the files of some packages of this Python, as a layer has them."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in names:
            package = distribution(name)
            for file in package.files or ():
                path = Path(str(package.locate_file(file)))
                if path.is_file() and "__pycache__" not in path.parts:
                    archive.add(path, str(file))
    return len(deflate.gzip_compress(content.getvalue(), LEVEL))
