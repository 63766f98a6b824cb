"""The text of a PDF, read in a process of its own: a small file can keep a parser busy for hours."""

import asyncio
import sys

SECONDS = 120
"""Of processor time, and a little more by the clock, until a PDF is given up; a thousand ordinary pages take one."""

MEMORY = 1024**3
"""Bytes that the process may take."""

AT_ONCE = 2
"""Processes at a time; further PDFs wait."""

PROGRAM = """
import io, resource, sys
seconds, memory = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
from pypdf import PdfReader
reader = PdfReader(io.BytesIO(sys.stdin.buffer.read()))
text = "\\n".join(page.extract_text() for page in reader.pages)
sys.stdout.buffer.write(text.encode("utf-8", "replace"))
"""

_running = asyncio.Semaphore(AT_ONCE)


async def text_of_pdf(content: bytes) -> str:
    """Return the text of all pages, a line between them; raises ValueError for what cannot be read in time."""
    async with _running:
        # What the process inherits is what its Python needs: no secret of this one.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-c", PROGRAM, str(SECONDS), str(MEMORY)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={},
        )
        try:
            text, errors = await asyncio.wait_for(process.communicate(content), SECONDS * 1.5)
        except TimeoutError:
            raise ValueError(_too_long()) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode is not None and process.returncode < 0:
        raise ValueError(_too_long())
    if process.returncode:
        reason = errors.decode(errors="replace").strip().rpartition("\n")[2]
        raise ValueError(f"The PDF cannot be read: {reason}")
    return text.decode()


def _too_long() -> str:
    return f"The PDF takes longer than {SECONDS} s to read"
