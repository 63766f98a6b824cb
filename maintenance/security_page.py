"""`.venv/bin/python -m maintenance.security_page` writes the table of advisories in docs/security.md anew."""

from builder import paths
from deploy.update import blocks
from distribution.upstream.advisories import Advisory, State, advisories

PAGE = paths.ROOT / "docs" / "security.md"
BEGIN, END = "<!-- advisories: written by maintenance.security_page -->", "<!-- end of advisories -->"


def page(now: str) -> str:
    """Return the page with today's tables. Raises ValueError where it does not say where they belong."""
    found = advisories()
    mended, not_affected, left = (
        [
            _row(f"`{one.name}`", one.allows, one.by or one.because, _upstream(one))
            for one in found
            if one.state is state
        ]
        for state in (State.MENDED, State.NOT_AFFECTED, State.LEFT)
    )
    tables = [
        "\n## Mended\n",
        "| advisory | what it allowed | here | upstream |",
        "| --- | --- | --- | --- |",
        *mended,
        "\n## Not affected\n",
        "| advisory | what it allows elsewhere | why not here | upstream |",
        "| --- | --- | --- | --- |",
        *not_affected,
        "\n## Left\n",
        "| advisory | what it allows | why, and what to do | upstream |",
        "| --- | --- | --- | --- |",
        *left,
        "",
    ]
    return blocks.replace(now, BEGIN, END, "\n".join(tables) + "\n")


def _upstream(one: Advisory) -> str:
    numbers = ", ".join(number.removeprefix("llamastack/llama-stack") for number in one.upstream)
    return f"{numbers or 'found here'}; " + (f"mended in {one.fixed_in}" if one.fixed_in else "not mended")


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
