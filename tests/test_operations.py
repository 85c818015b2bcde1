"""docs/operations.md and its files: the commands' own parsers take their command lines, and they agree with each other.

Neither Docker nor nginx is started here; the unit is given to systemd's own check where there is one, and the nightly
script runs.
"""

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import tyro
from PIL import Image

from engine.commands.infer import InferConfig
from engine.commands.serve import ServeConfig
from engine.inference.completer import Completer, CompletionOptions
from engine.serve.app import create_app
from engine.serve.work import Limits
from engine.weights import save_weights
from tests.engine.inference.conftest import random_network
from tests.engine.serve.test_watching import numbers

ROOT = Path(__file__).parents[1]
FILES = ROOT / "docs" / "operations"
GUIDE = (ROOT / "docs" / "operations.md").read_text()
DOCKERFILE = (FILES / "Dockerfile").read_text().replace("\\\n", " ")
NGINX = (FILES / "nginx.conf").read_text()


@pytest.fixture(scope="module")
def service():
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str
    unit.read(FILES / "glcic-engine.service")
    return unit["Service"]


def serve_config(words):
    assert Path(words[0]).name == "engine-serve"
    return tyro.cli(ServeConfig, args=words[1:])


@pytest.fixture(scope="module")
def served(service):
    """The options of the unit's engine-serve."""
    return serve_config(shlex.split(service["ExecStart"]))


def nginx(directive):
    (value,) = re.findall(rf"^ *{directive} (.*?);", NGINX, re.MULTILINE)
    return value


def extras_of(text):
    """The extras that the lines of pip in a text name."""
    return {extra for found in re.findall(r"pip install.*?\.\[([a-z,]+)\]", text) for extra in found.split(",")}


def test_the_unit(service, served):
    assert served.token_file == Path("%d/token")
    assert service["LoadCredential"].startswith("token:/etc/")
    assert int(service["TimeoutStopSec"]) > served.time_limit
    assert service["Environment"] == f"ENGINE_CACHE=%C/{service['CacheDirectory']}"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on the PATH")
def test_the_unit_is_one_for_systemd():
    words = ["systemd-analyze", "verify", FILES / "glcic-engine.service"]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stderr
    assert not [line for line in said.splitlines() if "glcic" in line and "is not executable" not in line], said


@pytest.mark.skipif(shutil.which("sed") is None, reason="no sed on the PATH")
def test_the_unit_of_several_servers(tmp_path):
    """The guide's line makes it; its instances listen where nginx asks."""
    (line,) = re.findall(r"^# (sed .*) > .*@\.service$", GUIDE, re.MULTILINE)
    made = subprocess.run(shlex.split(line), cwd=ROOT, capture_output=True, text=True, check=True).stdout
    before = (FILES / "glcic-engine.service").read_text()
    (unit,) = set(made.splitlines()) - set(before.splitlines()) - {"Environment=OMP_NUM_THREADS=1"}
    assert made.splitlines().count("Environment=OMP_NUM_THREADS=1") == 1
    instances = re.findall(r"glcic-engine@(\d+)", GUIDE)
    asked = re.findall(r"^ +server 127\.0\.0\.1:(\d+);$", GUIDE, re.MULTILINE)
    assert instances == asked
    for port in instances:
        words = shlex.split(unit.removeprefix("ExecStart=").replace("%i", port))
        assert serve_config(words).port == int(port)


def test_nginx_and_the_unit_agree(served):
    assert nginx("proxy_pass") == f"http://{served.host}:{served.port}"
    assert served.allow_origin == (f"https://{nginx('server_name')}",)
    assert nginx("client_max_body_size") == f"{served.max_bytes >> 20}m"
    assert served.max_bytes % 2**20 == 0
    for timeout in ("proxy_read_timeout", "proxy_send_timeout"):
        assert int(nginx(timeout).removesuffix("s")) > served.time_limit
    assert NGINX.count("{") == NGINX.count("}")


def test_the_dockerfile():
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", DOCKERFILE, re.MULTILINE)
    (line,) = re.findall(r"^\$ docker run (.*)$", GUIDE, re.MULTILINE)
    run = shlex.split(line)
    image = next(at for at, word in enumerate(run) if word.startswith("glcic-engine:"))
    config = serve_config(json.loads(entry) + run[image + 1 :])
    assert f"/etc/glcic-engine/token:{config.token_file}:ro" in run
    assert f"127.0.0.1:{config.port}:{config.port}" in run
    assert int(run[run.index("--stop-timeout") + 1]) > config.time_limit
    assert f"EXPOSE {config.port}\n" in DOCKERFILE
    (check,) = re.findall(r"^HEALTHCHECK .*?CMD (.*)$", DOCKERFILE, re.MULTILINE)
    program, option, code = json.loads(check)
    assert (program, option) == ("python", "-c")
    compile(code, "HEALTHCHECK", "exec")
    assert f"http://127.0.0.1:{config.port}/health'" in code


def test_the_dockerfile_copies_what_the_package_is_made_of():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    copied = {name for line in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()}
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"], *packages}
    assert copied == needed | {"constraints.txt"}


def test_the_extras_that_pip_installs_exist():
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for text in (DOCKERFILE, GUIDE):
        assert {"serve"} <= extras_of(text) <= known.keys()


def test_the_crontab():
    (line,) = [line for line in (FILES / "glcic-engine.cron").read_text().splitlines() if line[:1].isdigit()]
    *_, user, program = line.split(maxsplit=6)
    words = shlex.split(program)
    script = next(at for at, word in enumerate(words) if word.endswith("/nightly.sh"))
    config = tyro.cli(InferConfig, args=words[script + 2 :])
    assert user == "photos"
    for path in (words[script + 1], *config.photos, config.mask, config.out):
        assert f"`{path}`" in GUIDE


@pytest.mark.skipif(os.name != "posix", reason="a script of a POSIX shell")
@pytest.mark.parametrize(
    ("masked", "status", "begins"),
    [("ab", 0, ""), ("a", 1, "Some photos failed"), ("", 3, "All photos failed"), (None, 1, "Some photos failed")],
)
def test_a_night(tmp_path, masked, status, begins):
    """`masked` are the photos that have a mask; without it there is no folder of photos."""
    save_weights(tmp_path / "tiny.safetensors", random_network(4))
    command = tmp_path / "engine-infer"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m engine.commands.infer "$@"\n')
    command.chmod(0o755)
    (tmp_path / "logs").mkdir()
    if masked is not None:
        (tmp_path / "photos").mkdir()
        (tmp_path / "masks").mkdir()
        Image.new("L", (64, 64)).save(tmp_path / "masks" / "other.png")
        for name in "ab":
            Image.new("RGB", (64, 64), "red").save(tmp_path / "photos" / f"{name}.png")
        for name in masked:
            mask = Image.new("L", (64, 64))
            mask.paste(255, (20, 20, 30, 30))
            mask.save(tmp_path / "masks" / f"{name}.png")
    words = [FILES / "nightly.sh", "logs", "photos", "--mask", "masks", "--out", "done"]
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    words += ["--weights", "tiny.safetensors", "--runtime", "torch"]
    night = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert night.returncode == status, night
    assert night.stdout.startswith(begins)
    assert night.stderr == ""
    assert ("engine-infer: " in night.stdout) == (masked is None)
    assert night.stdout.count('"status": "failed"') == (0 if masked is None else 2 - len(masked))
    assert '"completed"' not in night.stdout.replace('{"summary": {"completed"', "")
    (log,) = (tmp_path / "logs").iterdir()
    assert masked is None or '{"summary": ' in log.read_text().splitlines()[-1]


@pytest.mark.skipif(os.name != "posix", reason="a script of a POSIX shell")
@pytest.mark.parametrize(
    ("status", "logs", "says"),
    [
        (2, True, "Nothing was done: an option in the crontab is wrong."),
        (127, True, "Nothing was done: there is no engine-infer on the crontab's PATH."),
        (143, True, "engine-infer was stopped (status 143); the next night goes on where it was."),
        (2, False, "engine-infer was not started: its log cannot be written."),
    ],
)
def test_a_night_that_comes_to_nothing(tmp_path, status, logs, says):
    """The command ends with this status, 127 where there is none; `logs`: the folder for logs is there."""
    if logs:
        (tmp_path / "logs").mkdir()
    if status != 127:
        (tmp_path / "engine-infer").write_text(f"#!/bin/sh\ntouch started\nexit {status}\n")
        (tmp_path / "engine-infer").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    words = [FILES / "nightly.sh", "logs", "photos"]
    night = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (night.returncode, night.stdout.startswith(says)) == (status, True), night
    assert (tmp_path / "started").exists() == (logs and status != 127)


def test_the_guide_speaks_of_every_file():
    links = set(re.findall(r"\]\(([^)#]+)\)", GUIDE))
    assert all((ROOT / "docs" / link).exists() for link in links)
    assert {f"operations/{path.name}" for path in FILES.iterdir()} <= links | {"operations/Dockerfile"}
    assert "docs/operations/Dockerfile" in GUIDE


def test_the_metrics_of_the_guide_are_there():
    limits = Limits(max_pixels=10**6, max_bytes=10**6, queue=4, seconds=30, keep_bytes=10**6)
    app = create_app(Completer.of(random_network(4), runtime="torch"), CompletionOptions(), limits)
    numbers(app)
    known = {name for name, *_ in numbers(app)}
    told = set(re.findall(r"`((?:engine|process)_[a-z_]+)", GUIDE)) - {"process_"}
    assert told <= known | {"engine_request_seconds"}
    assert {name for name in known if name.startswith("engine_")} - told == {
        "engine_requests_created",
        *(f"engine_request_seconds_{part}" for part in ("bucket", "sum", "count", "created")),
    }
