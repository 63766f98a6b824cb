"""The llama-stack that is pinned. requirements/image.in says which; everything else asks here."""

from packaging.requirements import Requirement

from builder import image_lock, paths
from builder.errors import UserFileError


def llama_stack() -> str:
    """Return the version. Raises UserFileError if requirements/image.in does not pin one."""
    for line in image_lock.requirement_lines(paths.IMAGE_INPUTS):
        requirement = Requirement(line)
        pins = [one.version for one in requirement.specifier if one.operator == "==" and "*" not in one.version]
        if requirement.name == "llama-stack" and pins:
            return pins[0]
    raise UserFileError(paths.IMAGE_INPUTS, "does not pin llama-stack", "write llama-stack==VERSION")
