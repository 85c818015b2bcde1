"""The token: who has to send it, what is said without it, and which files it is taken from."""

import asyncio
import os
import re
import sys

import httpx
import pytest

from engine.commands import serve
from engine.inference.completer import Completer, CompletionOptions
from engine.serve.app import create_app
from engine.serve.token import read_token
from engine.serve.work import Limits
from tests.engine.inference.conftest import random_network
from tests.engine.serve.conftest import serving

LIMITS = Limits(max_pixels=10**6, max_bytes=10**6, queue=4, seconds=30, keep_bytes=10**6)
TOKEN = "s3cret-of-the-server"
WITH_TOKEN = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def app():
    completer = Completer.of(random_network(4), runtime="torch")
    return create_app(completer, CompletionOptions(dilate=4), LIMITS, ("https://photos.example",), TOKEN)


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return path


def ask(app, method, path, **options):
    async def asked():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.request(method, path, **options)

    return asyncio.run(asked())


def every_operation(app):
    paths = ask(app, "GET", "/openapi.json").json()["paths"]
    return [(method.upper(), path, one) for path, methods in paths.items() for method, one in methods.items()]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "the token is missing"),
        (TOKEN, "the token is missing"),
        (f"Basic {TOKEN}", "the token is missing"),
        ("Bearer ", "the token is"),
        (f"Bearer {TOKEN[:-1]}", "the token is wrong"),
        (f"Bearer {TOKEN}x", "the token is wrong"),
        ("Bearer té".encode("latin-1"), "the token is wrong"),
    ],
)
def test_every_route_but_health_is_refused_without_the_token(app, header, message):
    operations = every_operation(app)
    assert len(operations) > 8
    for method, path, described in operations:
        if path == "/health":
            assert "security" not in described
            continue
        refused = ask(app, method, path, headers={} if header is None else {"Authorization": header})
        assert refused.status_code == 401, path
        assert refused.headers["www-authenticate"] == "Bearer"
        assert message in refused.json()["detail"]
        assert TOKEN not in refused.text
        assert described["security"] == [{"HTTPBearer": []}]
    assert app.state.work.taken == 0


def test_the_token_lets_in_and_the_page_needs_none(app):
    assert ask(app, "GET", "/model", headers=WITH_TOKEN).status_code == 200
    assert ask(app, "GET", "/model", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200
    assert ask(app, "GET", "/photos/none/preview", headers=WITH_TOKEN).status_code == 404
    for path in ("/", "/page.js", "/api.html", "/openapi.json", "/health"):
        assert ask(app, "GET", path).status_code == 200, path


def test_an_allowed_page_may_send_the_token_and_reads_why_it_is_refused(app):
    origin = {"Origin": "https://photos.example"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    before = ask(app, "OPTIONS", "/complete", headers=origin | asked)
    assert before.status_code == 200
    assert "authorization" in before.headers["access-control-allow-headers"].lower()
    refused = ask(app, "POST", "/complete", headers=origin)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://photos.example"


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        (None, 0o600, "cannot be read (No such file or directory); make one: (umask 077; openssl rand -hex 32 > "),
        (" \n", 0o600, "is empty; write a token into it: (umask 077; openssl"),
        (TOKEN, 0o604, "may be read by everyone on this machine; forbid it: chmod o-rwx "),
        (f"{TOKEN}\n{TOKEN}", 0o600, "has spaces, line breaks or other than ASCII"),
        ("two words", 0o600, "has spaces, line breaks or other than ASCII"),
        ("tökén", 0o600, "has spaces, line breaks or other than ASCII"),
    ],
)
def test_a_file_without_a_good_token_ends_in_a_line(tmp_path, monkeypatch, content, mode, message):
    if mode == 0o604 and os.name != "posix":
        pytest.skip("only POSIX has these modes")
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    monkeypatch.setattr(sys, "argv", ["engine-serve", "--token-file", str(path)])
    with pytest.raises(SystemExit, match=re.escape(f"--token-file {path} {message}")) as ended:
        serve.main()
    assert "\n" not in str(ended.value)


def test_space_around_the_token_is_none_of_it(token_file):
    token_file.write_text(f"  {TOKEN}\r\n\n")
    assert read_token(token_file) == TOKEN


def test_a_running_server_asks_for_it(weights, token_file, tmp_path, capfd):
    with serving(weights, tmp_path, "--token-file", str(token_file)) as server:
        assert httpx.get(f"{server.address}model").status_code == 401
        assert httpx.get(f"{server.address}model", headers=WITH_TOKEN).status_code == 200
        assert httpx.get(server.address).status_code == 200
    assert "warning" not in capfd.readouterr().err


@pytest.mark.parametrize("given", [False, True])
def test_a_server_for_everyone_warns_in_a_line(weights, token_file, tmp_path, capfd, given):
    options = ["--host", "0.0.0.0", *(["--token-file", str(token_file)] if given else [])]
    with serving(weights, tmp_path, *options) as server:
        assert httpx.get(f"{server.address}health").status_code == 200  # only then it takes Ctrl-C for its end
    warnings = [line for line in capfd.readouterr().err.splitlines() if "warning" in line]
    assert len(warnings) == (0 if given else 1), warnings
    assert given or "--token-file FILE" in warnings[0]
