"""The image lists its advisories, and has the packages that mend some of them."""

import json

from packaging.version import Version

from builder import payload
from distribution.upstream.advisories import advisories
from tests.support.image import BuiltImage

VERSIONS = (
    "import importlib.metadata, json, sys; print(json.dumps({n: importlib.metadata.version(n) for n in sys.argv[1:]}))"
)


def test_the_image_lists_them(built: BuiltImage) -> None:
    listed = built.run(*payload.ENTRYPOINT, "advisories", "--json")

    assert listed.returncode == 0, listed.stderr
    assert [one["name"] for one in json.loads(listed.stdout)] == [one.name for one in advisories()]


def test_the_image_has_the_packages_that_mend(built: BuiltImage) -> None:
    wanted = {name: version for one in advisories() for name, version in one.packages.items()}

    ran = built.run("python", "-c", VERSIONS, *wanted)

    assert ran.returncode == 0, ran.stderr
    installed = json.loads(ran.stdout.splitlines()[-1])
    assert [name for name, version in wanted.items() if Version(installed[name]) < Version(version)] == []
