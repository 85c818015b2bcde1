"""What the plug-ins of paint programs share: installing them, finding and starting the server, and one removal."""

import http.server
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
from functools import partial
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import tyro
from PIL import Image

from engine.commands import serve
from engine.commands.serve import ServeConfig, installed
from engine.plugins.engine_client.picture import Picture, is_whole, whole
from engine.plugins.engine_client.png import png
from engine.plugins.engine_client.problem import Problem
from engine.plugins.engine_client.removal import Removal
from engine.plugins.engine_client.server import Server, Settings, environment_for_server, read_settings
from engine.plugins.install import without_install
from engine.processes import end_with
from tests.engine.serve.conftest import QUICK, free_port, serving

SIZE = WIDTH, HEIGHT = 200, 160
BOX = (60, 40, 30, 26)
MASK = partial(png, 30, 26, b"\xff" * (30 * 26), channels=1)


def settings_of(folder, address, start=(), token=None):
    if token is not None:
        (folder / "token").write_text(f"{token}\n")
    token_file = None if token is None else str(folder / "token")
    return Settings(address.rstrip("/"), token_file, list(start), str(folder), folder / "server.json")


def removed(settings, photo, box=BOX, mask=MASK, **options):
    removal = Removal(settings, os.getpid(), photo, mask, box, **options)
    removal.run()
    return removal


@pytest.mark.parametrize(("bits", "channels"), [(8, 4), (16, 4), (8, 1)])
def test_png(bits, channels):
    dtype = np.dtype(">u2" if bits == 16 else "u1")
    samples_HWC = np.random.default_rng(0).integers(0, 2**bits, (5, 7, channels)).astype(dtype)
    content = png(7, 5, samples_HWC.tobytes(), bits, channels)
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED).reshape(5, 7, channels)
    np.testing.assert_array_equal(decoded, samples_HWC[..., [2, 1, 0, 3]] if channels == 4 else samples_HWC)
    Image.open(BytesIO(content)).verify()


def test_a_half_transparent_pixel_asks_for_a_whole_layer():
    over = Picture((0, 0, 3, 1), b"", False, [])
    assert not is_whole(over, b"\0\xff\xff")
    assert is_whole(over, b"\0\xff\xfe")
    assert is_whole(over._replace(replaces=True), b"\0\xff\xff")


@pytest.mark.parametrize("replaces", [False, True])
def test_a_whole_layer(replaces):
    rng = np.random.default_rng(0)
    before_HW8, box_HW8 = (rng.integers(0, 256, (*size, 8), np.uint8) for size in ((9, 11), (4, 5)))
    alpha_HW = rng.integers(0, 2, (4, 5), np.uint8) * np.uint8(7)
    expected_HW8 = before_HW8.copy()
    expected_HW8[3:7, 2:7][(alpha_HW > 0) | replaces] = box_HW8[(alpha_HW > 0) | replaces]
    picture = Picture((2, 3, 5, 4), b"", replaces, [])
    result = whole(before_HW8.tobytes(), 11, 8, picture, box_HW8.tobytes(), alpha_HW.tobytes())
    assert result == expected_HW8.tobytes()


def test_a_removal(server, command, photo, tmp_path):
    image, before = Image.open(photo), photos_kept(server, tmp_path)
    removal = removed(settings_of(tmp_path, server.address), photo.read_bytes)
    assert removal.problem is None
    x, y, width, height = removal.picture.box
    region = Image.open(BytesIO(removal.picture.png))
    assert (x, y, width, height) == (56, 36, 38, 34)
    assert (region.size, removal.picture.replaces) == ((width, height), False)
    mask = Image.new("L", SIZE)
    mask.paste(255, (60, 40, 90, 66))
    expected = Image.open(BytesIO(command(photo, mask)))
    image.paste(region, (x, y), region)
    np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))
    assert photos_kept(server, tmp_path) == before


def photos_kept(server, folder):
    return json.loads(Server(settings_of(folder, server.address), os.getpid()).answer("GET", "/health"))["photos"]


def test_progress_is_said(server, photo, tmp_path):
    said = []

    class Listening(Removal):
        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if name == "said":
                said.append(value)

    removal = Listening(settings_of(tmp_path, server.address), os.getpid(), photo.read_bytes, MASK, BOX)
    removal.run()
    assert said[:3] == ["Looking for engine-serve", "Sending the layer", "Completing"]
    assert "Completing: part 1 of 1" in said
    assert removal.problem is None


def test_what_the_server_says_is_wrong_is_told(server, photo, tmp_path):
    settings = settings_of(tmp_path, server.address)
    empty = removed(settings, photo.read_bytes, mask=partial(png, 30, 26, bytes(30 * 26), channels=1))
    assert "the mask" in empty.problem
    assert "is empty" in empty.problem or "nothing" in empty.problem
    outside = removed(settings, photo.read_bytes, box=(190, 40, 30, 26))
    assert outside.problem == "the mask reaches 220, 66, and the photo is 200x160"
    large = removed(settings, partial(os.urandom, 9 << 20))  # --max-bytes is 8 MiB
    assert large.problem.startswith("the request is larger than the limit of 8388608 bytes")


def test_the_token(weights, photo, tmp_path):
    (tmp_path / "token").write_text("secret")
    (tmp_path / "token").chmod(0o600)
    with serving(weights, tmp_path, *QUICK, "--token-file", str(tmp_path / "token")) as asks:
        folder = tmp_path / "plugin"
        folder.mkdir()
        assert removed(settings_of(folder, asks.address, token="secret"), photo.read_bytes).problem is None
        assert removed(settings_of(folder, asks.address, token="other"), photo.read_bytes).problem.startswith(
            "the token is wrong; "
        )
        assert removed(settings_of(folder, asks.address), photo.read_bytes).problem.startswith("the token is missing; ")
        gone = settings_of(folder, asks.address)._replace(token_file=str(folder / "gone"))
        assert removed(gone, photo.read_bytes).problem.startswith("the token cannot be read (")


class Other(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "ok"}')

    def log_message(self, *arguments):
        pass


def test_another_program_at_the_address_is_told_from_the_server(tmp_path):
    with http.server.HTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{other.server_port}"
        problem = removed(settings_of(tmp_path, address), bytes).problem
        other.shutdown()
    assert problem.startswith(f"what answers at {address} is not engine-serve; give that another port: ")


@pytest.mark.parametrize(
    ("start", "problem"),
    [
        ([], "engine-serve does not answer at http://127.0.0.1:"),
        (["sh", "-c", "echo engine-serve: no weights; exit 1"], "engine-serve: no weights"),
        (["sh", "-c", "exit 3"], "engine-serve ended with 3"),
        (["no-such-command"], "engine-serve cannot be started ("),
    ],
)
def test_no_server(tmp_path, start, problem):
    said = removed(settings_of(tmp_path, f"http://127.0.0.1:{free_port()}", start), bytes).problem
    assert said.startswith(problem)


def test_an_address_that_is_none_is_told(tmp_path):
    assert removed(settings_of(tmp_path, "127.0.0.1:8000"), bytes).problem == (
        f"the address 127.0.0.1:8000 in {tmp_path / 'server.json'} is not like http://127.0.0.1:8000"
    )


def test_a_fault_of_the_plugin_is_told_as_one(server, tmp_path, capsys):
    removal = removed(settings_of(tmp_path, server.address), partial(int, "x"))
    assert removal.problem.startswith("the plug-in failed, by a fault of its own (ValueError: ")
    assert "Traceback" in capsys.readouterr().err


def test_cancelling_ends_what_is_asked(server, photo, tmp_path):
    """Before anything is asked, and while an answer is awaited: here that to a layer of which only a part is sent."""
    before = Removal(settings_of(tmp_path, server.address), os.getpid(), photo.read_bytes, MASK, BOX)
    before.cancel()
    before.run()
    assert (before.picture, before.problem) == (None, None)

    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes what is sent, and answers nothing
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        asking = Server(settings_of(tmp_path, address), os.getpid())
        ended = []

        def ask():
            try:
                asking.answer("GET", "/health")
            except Exception as error:
                ended.append(type(error).__name__)

        thread = threading.Thread(target=ask)
        thread.start()
        with silent.accept()[0]:  # dropped, it would be closed, and the asking end by that
            asking.cancel()
            thread.join(60)
    assert ended == ["Cancelled"]


@pytest.mark.parametrize(
    ("environ", "platform", "kept"),
    [
        ({"PYTHONPATH": "a", "LD_LIBRARY_PATH": "b"}, "linux", {"PYTHONPATH", "LD_LIBRARY_PATH"}),
        ({"PYTHONPATH": "a", "LD_LIBRARY_PATH": "b", "APPDIR": "c", "PATH": "d"}, "linux", {"APPDIR", "PATH"}),
        ({"PYTHONHOME": "a", "PATH": "d"}, "win32", {"PATH"}),
        ({"PYTHONHOME": "a", "PATH": "d"}, "darwin", {"PATH"}),
    ],
)
def test_the_environment_of_a_bundled_python_is_not_handed_on(environ, platform, kept):
    assert environment_for_server(environ, platform).keys() == kept


@pytest.fixture
def homes(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of Linux")
def test_installing_for_krita(homes, run_main_of_serve):
    options = ["--port", "9001", "--texture", "none", "--token-file", "secret"]
    said = run_main_of_serve("--install-plugin", "krita", *options)
    folder = homes / "share" / "krita" / "pykrita"
    assert said.startswith(f"Written: {folder / 'glcic_engine'}; server.json in it says ")
    assert (folder / "glcic_engine.desktop").exists()
    settings = read_settings(folder / "glcic_engine" / "server.json")
    assert (settings.address, settings.token_file) == ("http://127.0.0.1:9001", str(homes / "secret"))
    assert settings.start[0] == sys.executable
    assert settings.start[4:] == [*options, "--no-access-log"]
    assert settings.folder == str(homes)
    run_main_of_serve("--install-plugin=krita")  # again
    assert read_settings(folder / "glcic_engine" / "server.json").address == "http://127.0.0.1:8000"
    assert not list(folder.rglob("__pycache__"))


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of Linux")
def test_installing_for_gimp(homes, run_main_of_serve):
    with pytest.raises(SystemExit) as never_started:
        run_main_of_serve("--install-plugin", "gimp")
    config = homes / "config" / "GIMP"
    assert str(never_started.value) == (
        f"engine-serve: there is no GIMP 3 in {config}; start it once, so that it makes its folder there"
    )
    for version in ("2.10", "3.0", "3.2"):
        (config / version).mkdir(parents=True)
    said = run_main_of_serve("--install-plugin", "gimp")
    for version in ("3.0", "3.2"):
        folder = config / version / "plug-ins" / "glcic_engine"
        assert str(folder) in said
        assert os.access(folder / "glcic_engine.py", os.X_OK)
        assert read_settings(folder / "server.json").address == "http://127.0.0.1:8000"
    assert not list((config / "2.10").iterdir())


@pytest.fixture
def run_main_of_serve(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["engine-serve", *words])
        serve.main()
        return capsys.readouterr().out

    return call


def test_a_free_port_cannot_be_installed(homes):
    with pytest.raises(ValueError, match="--port is 0, a free one, and the plug-in has to know where the server is"):
        installed(ServeConfig(install_plugin="krita", port=0), [])


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        ("--install-plugin krita", ""),
        ("--port 1 --install-plugin=krita -v", "--port 1 -v"),
        ("--install_plugin gimp --weights krita", "--weights krita"),
    ],
)
def test_the_options_of_the_server(arguments, kept):
    assert without_install(shlex.split(arguments)) == shlex.split(kept)


def test_broken_settings_are_told(tmp_path):
    (tmp_path / "server.json").write_text('{"address": "http://127.0.0.1:8000"}')
    with pytest.raises(Problem, match="does not say how engine-serve is reached"):
        read_settings(tmp_path / "server.json")


def test_end_with(weights, tmp_path):
    with (
        subprocess.Popen(["sleep", "1000"]) as program,
        serving(weights, tmp_path, *QUICK, "--end-with", str(program.pid), told_to_end=True),
    ):
        program.kill()
        program.wait()


def test_there_must_be_a_process_to_end_with():
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    for number in (ended.pid, 0, -1, 2**70):
        with pytest.raises(ValueError, match=f"--end-with is {number}, and no process has this number"):
            end_with(number, bool)


def test_the_shared_part_needs_nothing_but_the_standard_library():
    """In a Python without any package."""
    program = "import sys; sys.path.insert(0, sys.argv[1]); import engine_client.removal; print('loaded')"
    plugins = Path(serve.__file__).parents[1] / "plugins"
    words = [sys.executable, "-I", "-S", "-B", "-c", program, str(plugins)]
    assert subprocess.run(words, capture_output=True, text=True, check=False).stdout == "loaded\n"


GUIDE = Path(__file__).parents[3] / "docs" / "paint-programs.md"


def test_the_lines_of_the_guide_are_ones_for_engine_serve():
    lines = re.findall(r"^\$ engine-serve (.*?)(?: +#.*)?$", GUIDE.read_text(), re.MULTILINE)
    parsed = [tyro.cli(ServeConfig, args=shlex.split(line)) for line in lines]
    assert [config.install_plugin for config in parsed] == ["krita", "krita"]


def test_the_guide_names_all_settings(tmp_path, homes):
    installed(ServeConfig(install_plugin="krita"), [])
    (path,) = homes.rglob("server.json")
    assert all(f"`{name}`" in GUIDE.read_text() for name in json.loads(path.read_text()))
