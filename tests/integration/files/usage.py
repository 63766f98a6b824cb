"""How much memory a server takes."""

from pathlib import Path


class Usage:
    """The most that a server held in memory since it was reset: its own, and files in its temporary directory."""

    def __init__(self, process_id: int, temporary: Path) -> None:
        self._process = Path(f"/proc/{process_id}")
        self._temporary = temporary
        self.files = 0

    def reset(self) -> int:
        """Begin anew, and return how much the process holds now."""
        (self._process / "clear_refs").write_text("5")
        self.files = 0
        return self.peak()

    def peak(self) -> int:
        """The most that the process held."""
        line = next(line for line in (self._process / "status").read_text().splitlines() if "VmHWM" in line)
        return int(line.split()[1]) * 1024

    def look_at_files(self) -> None:
        """Count what is in the temporary directory, deleted but open files too."""
        held = {}
        for descriptor in (self._process / "fd").iterdir():
            try:
                target, status = str(descriptor.readlink()), descriptor.stat()
            except OSError:
                continue
            if target.startswith(str(self._temporary)):
                held[status.st_ino] = status.st_size
        self.files = max(self.files, sum(held.values()))
