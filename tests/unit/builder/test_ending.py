"""A signal ends a command with all that it started."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder import paths
from tests.support import session

HEAD = """
import subprocess, sys, threading, time
from pathlib import Path
from builder import ending
ending.listen()
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """The programs that a test has started; none outlives it."""
    programs: list[subprocess.Popen[str]] = []
    yield programs
    for program in programs:
        session.kill(program)


def _start(started: list[subprocess.Popen[str]], folder: Path, code: str) -> subprocess.Popen[str]:
    """Run code that says with a file `ready` where it is; `folder` is its working directory."""
    command = [sys.executable, "-c", HEAD + textwrap.dedent(code)]
    program = session.start(command, folder, {"PYTHONPATH": str(paths.ROOT)})
    started.append(program)
    session.wait_for(program, (folder / "ready").exists)
    return program


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("thread", [False, True])
def test_programs_end_with_their_own_children(
    started: list[subprocess.Popen[str]], tmp_path: Path, told: signal.Signals, thread: bool
) -> None:
    code = """
    def work():
        with ending.program(["sh", "-c", "trap '' TERM HUP INT; sleep 600 & touch ready; wait"]) as child:
            child.wait()

    try:
        if THREAD:
            with ending.threads(1) as pool:
                pool.submit(work).result()
        else:
            work()
    except BaseException as error:
        Path("said").write_text(repr(error))
        raise
    """
    program = _start(started, tmp_path, code.replace("THREAD", str(thread)))
    assert any("sleep 600" in command for command in session.commands(program))
    program.send_signal(told)
    program.communicate(timeout=30)
    said = (tmp_path / "said").read_text()
    if told is signal.SIGINT:
        assert said == "KeyboardInterrupt()"
    else:
        assert program.returncode == 128 + told
        assert said == f"Ended({128 + told})"
    assert session.left(program) == []


def test_what_must_not_be_broken_off_is_done_first(started: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    code = """
    with ending.held():
        Path("ready").touch()
        while not Path("go-on").exists():
            time.sleep(0.005)
        Path("done").touch()
    Path("after").touch()
    """
    program = _start(started, tmp_path, code)
    program.send_signal(signal.SIGTERM)
    (tmp_path / "go-on").touch()
    program.communicate(timeout=30)
    assert program.returncode == 143
    assert (tmp_path / "done").exists()
    assert not (tmp_path / "after").exists()


def test_a_second_signal_does_not_disturb_the_cleaning_up(started: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    code = """
    try:
        Path("ready").touch()
        time.sleep(600)
    finally:
        Path("cleaning").touch()
        while not Path("go-on").exists():
            time.sleep(0.005)
        Path("clean").touch()
    """
    program = _start(started, tmp_path, code)
    program.send_signal(signal.SIGTERM)
    session.wait_for(program, (tmp_path / "cleaning").exists)
    program.send_signal(signal.SIGTERM)
    program.send_signal(signal.SIGINT)
    (tmp_path / "go-on").touch()
    program.communicate(timeout=30)
    assert program.returncode == 143
    assert (tmp_path / "clean").exists()


def test_nobody_waits_for_a_thread_that_waits_for_the_network(
    started: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    code = """
    try:
        with ending.threads(1) as pool:
            pool.submit(threading.Event().wait)
            Path("ready").touch()
            time.sleep(600)
    except ending.Ended as ended:
        assert ending.has_ended()
        ending.leave(ended.code)
    """
    program = _start(started, tmp_path, code)
    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=30)
    assert program.returncode == 143


def test_nothing_is_started_after_a_signal(started: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    code = """
    try:
        Path("ready").touch()
        time.sleep(600)
    finally:
        with ending.program(["touch", "started"]) as child:
            child.wait()
    """
    program = _start(started, tmp_path, code)
    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=30)
    assert program.returncode != 0
    assert not (tmp_path / "started").exists()


def test_a_signal_that_is_ignored_stays_so(started: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    code = """
    import signal
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    ending.listen()
    Path("ready").touch()
    while not Path("go-on").exists():
        time.sleep(0.005)
    """
    program = _start(started, tmp_path, code)
    program.send_signal(signal.SIGHUP)
    (tmp_path / "go-on").touch()
    program.communicate(timeout=30)
    assert program.returncode == 0


def test_tests_stop_their_servers_when_they_are_told_to_end(
    started: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    tests = tmp_path / "test_server.py"
    tests.write_text("""
import time
from pathlib import Path
import pytest

@pytest.fixture
def server():
    yield
    Path(__file__).with_name("stopped").touch()

def test_server(server):
    Path(__file__).with_name("ready").touch()
    time.sleep(600)
""")
    program = session.start(
        [sys.executable, "build.py", "test", "-p", "no:cacheprovider", "-c", "/dev/null", str(tests)], paths.ROOT
    )
    started.append(program)
    session.wait_for(program, (tmp_path / "ready").exists)
    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=60)
    assert program.returncode == 143
    assert (tmp_path / "stopped").exists()
    assert session.left(program) == []
