"""Programs of the image, and its verdict."""

from collections.abc import Callable, Sequence
from subprocess import CompletedProcess

import pytest

from builder import paths
from tests.support.image import BuiltImage


@pytest.fixture(scope="session")
def run_in_image(built: BuiltImage) -> Callable[..., CompletedProcess[str]]:
    """Runs a program in the image, with standard input, for so many seconds at most."""

    def run(program: Sequence[str], *, input: str, timeout: float) -> CompletedProcess[str]:
        return built.run(*program, stdin=input, timeout=timeout)

    return run


@pytest.fixture
def forget_verdict() -> Callable[[str], None]:
    """Makes the next build of the image with a digest verify it again."""

    def forget(digest: str) -> None:
        (paths.VERDICTS / f"{digest.partition(':')[2]}.json").unlink(missing_ok=True)

    return forget
