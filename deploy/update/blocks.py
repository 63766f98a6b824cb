"""Text between two marker lines."""


def replace(text: str, begin: str, end: str, content: str) -> str:
    """Put `content` between the lines that `begin` and `end` are. Raises ValueError if they are not there once."""
    before, found, rest = text.partition(f"{begin}\n")
    _, also_found, after = rest.partition(f"{end}\n")
    if not (found and also_found) or begin in after:
        raise ValueError(f"the text needs one line {begin!r} and one line {end!r} after it")
    return f"{before}{begin}\n{content}{end}\n{after}"
