"""How commands end: in a line, with the status that shells know, and with nothing left on disk."""

import importlib
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from data.catalog import Catalog
from engine.commands import demo
from engine.commands.ending import ends_in_a_line


def interrupt_once_opened(pipe: Path) -> None:
    """SIGINT for this process when something reads `pipe`, which ends a little later."""
    with open(pipe, "wb"):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)


COMMANDS = {  # with the name of the pipe
    "data": ("list.txt", "index . --list list.txt"),
    "evaluate": ("pipe.png", "."),
    "export": ("pipe.entry", "--list-cache"),
    "import_weights": ("config.json", "model_cn --config config.json --out new.safetensors"),
    "infer": ("pipe.png", "pipe.png --hole 5,5,9,9 --out out.png"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_interrupted(command, run_main, tmp_path, monkeypatch, capsys):
    """While it reads a file: a pipe that gives nothing."""
    name, words = COMMANDS[command]
    os.mkfifo(tmp_path / name)
    monkeypatch.setenv("ENGINE_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    # engine-evaluate would leave the pipe out; and it reads headers by pread, which fails on a pipe at once.
    monkeypatch.setattr("data.scan.stat.S_ISFIFO", lambda mode: False)
    monkeypatch.setattr(os, "pread", lambda descriptor, *_: os.read(descriptor, 1))
    threading.Thread(target=interrupt_once_opened, args=(tmp_path / name,), daemon=True).start()
    with pytest.raises(SystemExit) as stopped:
        run_main(importlib.import_module(f"engine.commands.{command}").main, *words.split())
    assert stopped.value.code == 130
    assert capsys.readouterr().err.splitlines()[-1] == f"engine-{command.removesuffix('_weights')}: stopped"
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("instead", [KeyboardInterrupt(), SystemExit(1)])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_library_that_raises_something_else_changes_no_status(number, status, instead, capsys):
    """As watchfiles and Ray do."""

    @ends_in_a_line("engine-infer")
    def main():
        try:
            signal.raise_signal(number)
        except SystemExit:
            raise instead from None

    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == status
    assert capsys.readouterr().err == ""


def test_the_demo_ends_in_a_line_too(tmp_path, monkeypatch):
    (tmp_path / "runs").write_bytes(b"")  # where its folder would be
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"^make demo: .*runs/make-demo"):
        demo.main()


def in_a_process(body: str, before: str = "", **kwargs) -> subprocess.CompletedProcess:
    """`body` as a command's main, with the encoding that most people's terminals have."""
    imported = "from engine.commands.ending import ends_in_a_line"
    program = f"{before}\n{imported}\n@ends_in_a_line('it')\ndef main(): {body}\nmain()"
    environment = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    return subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, env=environment, **kwargs)


def test_a_name_that_is_no_text_is_printed():
    done = in_a_process("print('caf\\udce9.png'); raise ValueError('caf\\udce9.png')", stdout=subprocess.PIPE)
    assert (done.stdout, done.stderr) == (b"caf\\udce9.png\n", b"it: caf\\udce9.png\n")


BODIES = {
    "little": ("print('a')", 0, b""),
    "much": ("print('a' * 1_000_000)", 0, b""),
    "more": ("[print('a', flush=True) for _ in range(9)]; open('done', 'x')", 0, b""),
    "exit": ("print('a'); raise SystemExit(3)", 3, b""),
    "error": ("print('a', flush=True); raise ValueError('wrong')", 1, b"it: wrong\n"),
    "child": ("print('a', flush=True); import os; os.system('echo b')", 0, b""),
}


@pytest.mark.parametrize(("body", "status", "said"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_who_stops_reading_ends_no_work_and_is_told_nothing(body, status, said, unbuffered, monkeypatch, tmp_path):
    """As `engine-train --help | head -3` does."""
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    monkeypatch.chdir(tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    done = in_a_process(body, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (status, said)
    assert [path.name for path in tmp_path.iterdir()] == (["done"] if "done" in body else [])


def test_a_terminal_that_closes_ends_no_work(tmp_path):
    """Nor does it where a bar is drawn, or an error is told, on it."""
    body = (
        "import sys, time\n"
        "from engine.commands.ending import ends_in_a_line\n"
        "from engine.commands.progress import progress\n"
        "@ends_in_a_line('it')\n"
        "def main():\n"
        "    with progress('working', 3) as advance:\n"
        "        sys.stdin.readline()\n"
        "        for _ in range(3): print('a', flush=True); print('b', file=sys.stderr); advance(1); time.sleep(0.2)\n"
        "    open(sys.argv[1], 'x')\n"
        "    raise ValueError('wrong')\n"
        "main()"
    )
    terminal, its_end = os.openpty()
    words = [sys.executable, "-c", body, str(tmp_path / "done")]
    pipes = {"stdin": subprocess.PIPE, "stdout": its_end, "stderr": its_end, "text": True}
    with subprocess.Popen(words, **pipes, env=os.environ | {"TERM": "xterm"}) as process:
        os.close(its_end)
        assert os.read(terminal, 1000)  # it draws
        os.close(terminal)
        process.communicate("go on\n", timeout=60)
    assert process.returncode == 1
    assert (tmp_path / "done").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full without filling one: Linux has it")
def test_a_full_disk_is_told_and_no_success():
    with open("/dev/full", "w") as full:
        done = in_a_process("print('a')", stdout=full)
    assert (done.returncode, done.stderr) == (1, b"it: [Errno 28] No space left on device\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_half_done(number, tmp_path):
    body = f"""
        import os, tempfile
        with tempfile.TemporaryDirectory(dir={str(tmp_path)!r}): os.kill(os.getpid(), {int(number)})
    """
    done = in_a_process(body, stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (128 + number, b"")
    assert not list(tmp_path.iterdir())


def test_a_signal_that_is_ignored_stays_so():
    """As `nohup` has it."""
    program = "import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
    done = in_a_process("import os; os.kill(os.getpid(), 1); print('a')", stdout=subprocess.PIPE, before=program)
    assert (done.returncode, done.stdout) == (0, b"a\n")


def test_the_broken_pipe_of_a_worker_is_told():
    done = in_a_process("raise BrokenPipeError(32, 'Broken pipe')", stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, b"it: [Errno 32] Broken pipe\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_command_runs_where_who_starts_it_has_its_output_closed(closed, tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "photos" / "a.png")
    program = "from engine.commands.start import data; data()"
    words = shlex.join([sys.executable, "-c", program, "index", str(tmp_path / "photos")])
    assert subprocess.run(f"{words} {closed}", shell=True, check=False).returncode == 0
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["a.png"]
    assert Catalog.open(tmp_path / "photos").index


def test_facts_of_the_engine_are_shown_and_warnings_alone_of_libraries():
    code = """
import logging
from engine.commands.ending import log_to_stderr
log_to_stderr()
for name in ("engine.inference", "library"):
    logging.getLogger(name).info("a fact of %s", name)
    logging.getLogger(name).warning("a warning of %s", name)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert said.splitlines() == [
        "a fact of engine.inference",
        "a warning of engine.inference",
        "a warning of library",
    ]
