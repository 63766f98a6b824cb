"""How long the tests go on that could go on for ever: minutes in all, or hours with ``--long``."""

import pytest
from hypothesis import settings

EXAMPLES, MANY_EXAMPLES = 150, 10_000


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--long``."""
    parser.addoption(
        "--long", action="store_true", help="kill more often, send larger files, make up more documents: for a release"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Say how many examples Hypothesis tries where a test does not say so itself."""
    settings.register_profile("tests", max_examples=MANY_EXAMPLES if config.getoption("long") else EXAMPLES)
    settings.load_profile("tests")


@pytest.fixture(scope="session")
def long(pytestconfig: pytest.Config) -> bool:
    """Whether a test may take as long as it is worth before a release."""
    return bool(pytestconfig.getoption("long"))
