"""Where the lines of the log go: stderr, and the file that LLAMA_STACK_LOG_FILE names."""

import functools
import logging
import os
import select
import sys

from distribution.logs import levels
from distribution.logs.lines import Form, json_line, plain_line
from distribution.upstream.log_settings import JSON, LOG_FILE, LOG_FORMAT

STDERR = 2


class Output:
    """Descriptors that get each line whole and in order, at once: nothing is kept back in this process."""

    def __init__(self, *descriptors: int) -> None:
        self._descriptors = descriptors

    def write(self, line: bytes) -> None:
        """Write a line. A reader that is slow is waited for, as with any program; one that is gone is none."""
        for descriptor in self._descriptors:
            try:
                if (written := os.write(descriptor, line)) != len(line):
                    _write_all(descriptor, line[written:])
            except BlockingIOError:
                _write_all(descriptor, line)
            except OSError:  # a pipe without a reader, a full disk: the requests go on
                continue


def _write_all(descriptor: int, rest: bytes) -> None:
    while rest:
        select.select([], [descriptor], [])
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            continue
        except OSError:
            return


class LineHandler(logging.Handler):
    """Writes each entry as a line of one form."""

    def __init__(self, form: Form, output: Output) -> None:
        super().__init__()
        self._form, self._output = form, output

    def emit(self, record: logging.LogRecord) -> None:
        """Write an entry."""
        try:
            line = self._form(record)
        except Exception:
            self.handleError(record)
        else:
            self._output.write(line)


def is_json() -> bool:
    """Tell whether lines are JSON; verification has looked at the variable."""
    return os.environ.get(LOG_FORMAT, "").lower() == JSON


@functools.cache
def output() -> Output:
    """Return where this process writes; a log file that cannot be opened is left out, and said."""
    path = os.environ.get(LOG_FILE)
    if not path:
        return Output(STDERR)
    try:
        return Output(STDERR, os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640))
    except OSError as error:
        print(f"{LOG_FILE}: {path} cannot be written: {error.strerror}", file=sys.stderr, flush=True)
        return Output(STDERR)


def set_up() -> None:
    """Log to `output` from now on, at the levels that are asked for; done again, only the levels are."""
    root = logging.getLogger()
    # Modules that log while they are imported have had `logging` make a handler of its own.
    root.handlers[:] = [handler for handler in root.handlers if type(handler) is not logging.StreamHandler]
    if not any(isinstance(handler, LineHandler) for handler in root.handlers):
        root.addHandler(LineHandler(json_line if is_json() else plain_line, output()))
    levels.apply()
