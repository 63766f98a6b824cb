"""Build the image that people make today, with the machine's own index, mirror and certificates."""

import json
import os
import shutil
import tarfile
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO

from docker import DockerClient
from docker.errors import APIError, BuildError

from benchmarks import stock
from builder import command, pin
from builder.debian import mirrors
from builder.debian.index import SUITE

TAG = f"benchmark/stock:{pin.llama_stack()}"
CONTAINERFILE = Path(__file__).with_name("conventional.Containerfile")
PUBLIC_BASE = f"debian:{SUITE}-slim"
OWN_BASE = f"benchmark/debian:{SUITE}"

_PASSED_ON = (
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
_GZIP_LEVEL = 6
"""What engines use when they push."""
_PIECE = 8 * 2**20
"""Bytes compressed at once, on every processor; that changes a size by less than 0.1 %."""


def base(client: DockerClient, scratch: Path) -> str:
    """A slim Debian image: the public one or, where that cannot be had, its like of the mirror's packages."""
    with suppress(APIError):
        client.images.get(PUBLIC_BASE)
        return PUBLIC_BASE
    with suppress(APIError):
        client.images.pull(PUBLIC_BASE)
        return PUBLIC_BASE
    archive = scratch / "base.tar"
    unwanted = ("doc", "man", "locale", "info")
    leave_out = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in unwanted]
    command.run(
        ["mmdebstrap", "--variant=minbase", *leave_out, SUITE, archive, mirrors.find().debian],
        failure=f"{PUBLIC_BASE} can neither be pulled nor be made",
        advice="apt-get install mmdebstrap",
    )
    client.api.import_image_from_file(str(archive), *OWN_BASE.split(":"))
    archive.unlink()
    return OWN_BASE


def prepare(context: Path) -> None:
    """Write the build context: configs, and the settings of this machine that a build container lacks."""
    context.mkdir()
    shutil.copy(CONTAINERFILE, context / "Containerfile")
    shutil.copy(command.uv(), context / "uv")
    shutil.copy(_certificates(), context / "ca-certificates.crt")
    (context / "uv.toml").write_text(_uv_settings())
    (context / "constraints.txt").write_text("\n".join(stock.CONSTRAINTS))
    (context / "build.yaml").write_text(stock.build_config())
    (context / "run.yaml").write_text(stock.run_config())


def edit_run_config(context: Path) -> None:
    """Change a value of run.yaml."""
    path = context / "run.yaml"
    path.write_text(path.read_text().replace("image_name: ", "image_name: edited-", 1))


def build(client: DockerClient, context: Path, base_image: str, *, cold: bool) -> None:
    """Build the image; a cold build has neither layers nor packages from before."""
    debian = mirrors.find()
    arguments = {
        "BASE": base_image,
        "SUITE": SUITE,
        "DEBIAN_MIRROR": debian.debian,
        "DEBIAN_SECURITY_MIRROR": debian.security,
        **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
    }
    try:
        client.images.build(
            path=str(context),
            dockerfile="Containerfile",
            tag=TAG,
            buildargs=arguments,
            nocache=cold,
            network_mode="host",
            rm=True,
            forcerm=True,
        )
    except BuildError as error:
        said = "".join(str(item.get("stream", "")) for item in error.build_log)
        raise SystemExit(f"the conventional image cannot be built: {error}\n{command.last_lines(said)}") from error


def compressed_size(client: DockerClient, scratch: Path) -> int:
    """Bytes of the image's layers as a push would send them."""
    archive = scratch / "stock.tar"
    with archive.open("wb") as stream:
        for chunk in client.images.get(TAG).save(chunk_size=_PIECE):
            stream.write(chunk)
    with tarfile.open(archive) as saved:
        layers = json.load(_member(saved, "manifest.json"))[0]["Layers"]
        size = sum(_gzip_size(_member(saved, layer)) for layer in layers)
    archive.unlink()
    return size


def _gzip_size(stream: IO[bytes]) -> int:
    size = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pending: deque[Future[int]] = deque()
        for piece in iter(lambda: stream.read(_PIECE), b""):
            pending.append(pool.submit(lambda data: len(zlib.compress(data, _GZIP_LEVEL)), piece))
            if len(pending) > 4:  # bounds the memory in use
                size += pending.popleft().result()
        return size + sum(future.result() for future in pending)


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    member = archive.extractfile(name)
    if member is None:
        raise SystemExit(f"the engine saved an image without {name}")
    return member


def _certificates() -> Path:
    """The certificates this machine trusts."""
    places = [os.environ.get("SSL_CERT_FILE", ""), *_USUAL_CERTIFICATES]
    return next(Path(place) for place in places if place and Path(place).is_file())


_USUAL_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


def _uv_settings() -> str:
    """The user's uv settings, or the machine's, or none."""
    for path in _uv_files():
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return ""


def _uv_files() -> Iterator[Path]:
    if named := os.environ.get("UV_CONFIG_FILE"):
        yield Path(named)
    yield Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "uv" / "uv.toml"
    yield Path("/etc/uv/uv.toml")
