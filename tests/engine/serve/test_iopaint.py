"""engine-serve --api iopaint over HTTP: the requests of IOPaint's web client and of programs that speak its API."""

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from engine.commands import serve
from engine.inference.completer import Completer, CompletionOptions
from engine.serve.album import MEDIA_TYPES
from engine.serve.app import create_app
from engine.serve.work import Limits
from tests.engine.inference.conftest import random_network
from tests.engine.serve.conftest import QUICK, mask_of, png, serving
from tests.engine.serve.test_api import HOLE, MASK, PHOTO, WRITERS, bomb
from tests.engine.serve.test_watching import ask

INPAINT = "/api/v1/inpaint"
GUIDE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
LIMITS = Limits(max_pixels=10**6, max_bytes=10**6, queue=4, seconds=30, keep_bytes=10**6)
OF_THE_CLIENT = {
    "ldm_steps": 30, "ldm_sampler": "ddim", "zits_wireframe": True, "cv2_flag": "INPAINT_NS", "cv2_radius": 5,
    "hd_strategy": "Crop", "hd_strategy_crop_triger_size": 640, "hd_strategy_crop_margin": 128,
    "hd_trategy_resize_imit": 2048, "prompt": "", "negative_prompt": "out of frame", "use_croper": False,
    "croper_x": -156, "croper_y": -176, "croper_height": 512, "croper_width": 512, "use_extender": False,
    "extender_x": 0, "extender_y": 0, "extender_height": 160, "extender_width": 200, "sd_mask_blur": 12,
    "sd_strength": 1, "sd_steps": 50, "sd_guidance_scale": 7.5, "sd_sampler": "DPM++ 2M", "sd_seed": -1,
    "sd_match_histograms": False, "sd_lcm_lora": False, "paint_by_example_example_image": None,
    "p2p_image_guidance_scale": 1.5, "enable_controlnet": False, "controlnet_conditioning_scale": 0.4,
    "controlnet_method": "", "enable_brushnet": False, "brushnet_method": "random_mask",
    "brushnet_conditioning_scale": 1, "enable_powerpaint_v2": False, "powerpaint_task": "text-guided",
}  # fmt: skip
"""What IOPaint 1.6.0's web client sends beside image and mask."""


@pytest.fixture(scope="module")
def server(weights, tmp_path_factory):
    with serving(weights, tmp_path_factory.mktemp("temporary"), *QUICK, "--api", "iopaint") as running:
        yield running


def bare(content):
    return base64.b64encode(content).decode()


def in_lines(content):
    """As the command base64 writes it."""
    return base64.encodebytes(content).decode()


def data_url(content):
    return f"data:image/png;base64,{bare(content)}"


def inpaint(client, photo, mask, written=data_url, **fields):
    return client.post(INPAINT, json=fields | {"image": written(photo), "mask": written(mask)})


def said(reply):
    """What an error says, which is one line under one key."""
    (key,) = reply.json()
    assert key == "errors", reply.text
    assert "\n" not in reply.json()[key]
    return reply.json()[key]


@pytest.mark.parametrize("name", WRITERS)
def test_the_answer_is_the_commands_file_of_the_uploads_kind(client, command, photo, tmp_path, name):
    """One of them is a JPEG on its side by its EXIF, whose mask is upright."""
    path = tmp_path / "in" / name
    path.parent.mkdir()
    WRITERS[name](Image.open(photo), path)
    mask = mask_of((200, 160), HOLE)
    reply = inpaint(client, path.read_bytes(), png(mask), **OF_THE_CLIENT)
    assert reply.status_code == 200, reply.text
    assert reply.content == command(path, mask)
    assert reply.headers["content-type"] == MEDIA_TYPES[Image.open(path).format]
    assert reply.headers["x-seed"] == "0"
    assert reply.headers["x-widened"] == "[4]"


def test_base64_bare_in_lines_and_as_a_data_url(client):
    first, *others = (inpaint(client, PHOTO, MASK, written) for written in (bare, in_lines, data_url))
    assert first.status_code == 200, first.text
    assert {other.content for other in others} == {first.content}


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on the PATH")
def test_the_guides_request(server, command, photo, tmp_path):
    (line,) = re.findall(r"^\$ (printf .*)$", GUIDE, re.MULTILINE)
    desk = tmp_path / "desk"
    desk.mkdir()
    Image.open(photo).save(desk / "photo.jpg")
    (desk / "mask.png").write_bytes(MASK)
    line = line.replace("http://127.0.0.1:8000/", server.address)
    subprocess.run(["bash", "-c", line], cwd=desk, check=True, capture_output=True)
    assert (desk / "done.jpg").read_bytes() == command(desk / "photo.jpg", mask_of((200, 160), HOLE))


def strokes():
    """As a browser paints on transparent ground: a soft edge, in colours that are near the brush's."""
    large = Image.new("L", (800, 640))
    ImageDraw.Draw(large).line((240, 160, 400, 300), 0xBB, 90)
    alpha_HW = np.asarray(large.resize((200, 160), Image.Resampling.BOX))
    strokes_HW4 = np.zeros((160, 200, 4), np.uint8)
    strokes_HW4[alpha_HW > 0, :3] = 0xFF, 0xCC, 0x00
    strokes_HW4[(alpha_HW > 0) & (alpha_HW < 40), :3] = 0xFF, 0xD0, 0x00
    strokes_HW4[..., 3] = alpha_HW
    return Image.fromarray(strokes_HW4)


def grey_beside_the_threshold():
    mask_HW = np.full((160, 200), 127, np.uint8)
    mask_HW[40:62, 60:90] = 128
    return Image.fromarray(mask_HW)


def white_over_transparent_white():
    """All of it is a hole where alpha is dropped, but for what is black."""
    mask = Image.new("RGBA", (200, 160), (255, 255, 255, 0))
    mask.paste((0, 0, 0, 255), (0, 0, 100, 160))
    return mask


@pytest.mark.parametrize("painted", [strokes, grey_beside_the_threshold, white_over_transparent_white])
def test_alpha_is_dropped_and_what_is_above_127_in_grey_is_a_hole(client, command, photo, painted):
    mask = painted()
    black_or_white = mask.convert("RGB").convert("L").point(lambda value: 255 * (value > 127))
    assert 0 < np.mean(np.asarray(black_or_white) > 0) < 1
    reply = inpaint(client, photo.read_bytes(), png(mask))
    assert reply.status_code == 200, reply.text
    assert reply.content == command(photo, black_or_white)


def test_the_seed(client, command, photo):
    mask = mask_of((200, 160), HOLE)
    other = inpaint(client, photo.read_bytes(), png(mask), sd_seed=7)
    assert other.headers["x-seed"] == "7"
    assert other.content == command(photo, mask, seed=7) != command(photo, mask)


def test_an_empty_mask_changes_nothing(client, tmp_path, photo):
    path = tmp_path / "photo.jpg"
    WRITERS["photo.jpeg"](Image.open(photo), path)
    reply = inpaint(client, path.read_bytes(), png(Image.new("RGBA", (200, 160))))
    assert reply.status_code == 200, reply.text
    assert reply.content == path.read_bytes()
    assert reply.headers["content-type"] == "image/jpeg"
    assert reply.headers["x-seed"] == "0"
    assert json.loads(reply.headers["x-notes"]) == ["the mask is empty: the photo is given back as it is"]


REFUSED = {
    "no JSON": (b"image=1", 400, "the body is no JSON (Expecting value"),
    "no text": (b"\xff\xff", 400, "the body is no JSON"),
    "nested": (b"[" * 10**6, 400, "the body is no JSON"),
    "no object": (b"[]", 400, "the body is JSON and no object"),
    "no image": ({"mask": bare(MASK)}, 400, "image is missing"),
    "no mask": ({"image": bare(PHOTO)}, 400, "mask is missing"),
    "mask is null": ({"image": bare(PHOTO), "mask": None}, 400, "mask is no text"),
    "no base64": ({"image": "photo.png", "mask": bare(MASK)}, 400, "image is no base64"),
    "base64 cut short": ({"image": bare(PHOTO), "mask": bare(MASK)[:-3]}, 400, "mask is no base64"),
    "other than ASCII": ({"image": "é", "mask": bare(MASK)}, 400, "image is no base64"),
    "nothing": ({"image": "data:image/png;base64,", "mask": bare(MASK)}, 400, "image is empty"),
    "no picture": ({"image": bare(b"not one"), "mask": bare(MASK)}, 415, "it is no picture"),
    "cut short": ({"image": bare(PHOTO[:2000]), "mask": bare(MASK)}, 415, "cannot read the photo"),
    "mask no picture": ({"image": bare(PHOTO), "mask": bare(b"not one")}, 415, "cannot read the mask"),
    "another size": ({"image": bare(PHOTO), "mask": bare(png(mask_of((200, 161), HOLE)))}, 400, "be the same size"),
    "on its side": ({"image": bare(PHOTO), "mask": bare(png(mask_of((160, 200), HOLE)))}, 400, "be the same size"),
    "a mask of all": ({"image": bare(PHOTO), "mask": bare(png(Image.new("L", (200, 160), 255)))}, 422, "covers the wh"),
    "a bomb": ({"image": bare(bomb(60000)), "mask": bare(MASK)}, 413, "60000x60000 pixels and the limit is 4000000"),
    "mask a bomb": ({"image": bare(PHOTO), "mask": bare(bomb(60000))}, 400, "the mask is 60000x60000"),
    "9 MB": (bytes(9 << 20), 413, "limit of 8388608 bytes"),
    "a seed": ({"image": bare(PHOTO), "mask": bare(MASK), "sd_seed": -7}, 400, "sd_seed is '-7'; it must be a whole"),
    "no seed": ({"image": bare(PHOTO), "mask": bare(MASK), "sd_seed": "x"}, 400, "sd_seed is 'x'; it must be a whole"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_a_line(client, case):
    body, status, message = REFUSED[case]
    reply = client.post(INPAINT, content=body if isinstance(body, bytes) else json.dumps(body))
    assert (reply.status_code, message in said(reply)) == (status, True), reply.text


def test_what_the_client_asks_first(client):
    model = client.get("/api/v1/model").json()
    assert model["model_type"] == "inpaint"
    assert not model["need_prompt"]
    config = client.get("/api/v1/server-config").json()
    assert config["modelInfos"] == [model]
    assert config["plugins"] == config["interactiveSegModels"] == []
    assert client.get("/socket.io/").status_code == 404
    reply = client.get("/api/v1/inputimage")
    assert (reply.status_code, "no picture" in said(reply)) == (404, False)
    info = client.post("/api/v1/gen-info", files={"file": ("photo.png", PHOTO)})
    assert info.json() == {"prompt": "", "negative_prompt": ""}
    too_large = client.post("/api/v1/gen-info", files={"file": ("photo.png", bytes(9 << 20))})
    assert (too_large.status_code, "limit of 8388608" in said(too_large)) == (413, True)


@pytest.mark.parametrize("path", ["run_plugin_gen_mask", "model/switch"])
def test_what_this_server_lacks_of_the_api(client, path):
    reply = client.post(f"/api/v1/{path}", json={})
    assert reply.status_code == 404
    assert said(reply).startswith(f"/api/v1/{path} is not here: this server has ")


def test_the_own_api_and_page_are_there_beside_it(client):
    assert client.get("/health").json()["status"] == "ok"
    assert "detail" in client.post("/complete").json()
    assert "glcic" in client.get("/").text
    described = client.get("/openapi.json").json()["paths"]
    assert {"/complete", INPAINT} <= described.keys()


@pytest.fixture(scope="module")
def completer():
    return Completer.of(random_network(4), runtime="torch")


GOOD = ("POST", INPAINT, {"json": {"image": bare(PHOTO), "mask": bare(MASK)}})


def test_an_error_of_the_servers_own_is_500_and_counted(completer, caplog):
    app = create_app(completer, CompletionOptions(dilate=4), LIMITS, api="iopaint")
    app.state.work.completer = None
    (failed,) = ask(app, GOOD)
    assert (failed.status_code, "the server failed" in said(failed)) == (500, True)
    assert any(record.exc_info for record in caplog.records)
    (metrics,) = ask(app, ("GET", "/metrics", {}))
    assert 'engine_requests_total{route="/api/v1/inpaint",status="500"} 1.0' in metrics.text


def test_who_is_refused_reads_so_under_the_same_key(completer):
    app = create_app(completer, CompletionOptions(), LIMITS, token="s3cret", api="iopaint")
    for path in ("inpaint", "gen-info", "anything"):
        (reply,) = ask(app, ("POST", f"/api/v1/{path}", {}))
        assert (reply.status_code, "the token is missing" in said(reply)) == (401, True)
        assert reply.headers["www-authenticate"] == "Bearer"
    for path in ("server-config", "model", "inputimage"):
        assert ask(app, ("GET", f"/api/v1/{path}", {}))[0].status_code == 401
    (let_in,) = ask(app, (*GOOD[:2], GOOD[2] | {"headers": {"Authorization": "Bearer s3cret"}}))
    assert let_in.status_code == 200
    (elsewhere,) = ask(app, (*GOOD[:2], {"headers": {"Origin": "https://other.example"}}))
    assert (elsewhere.status_code, "may not use this server" in said(elsewhere)) == (403, True)
    app.state.draining = True
    (late,) = ask(app, GOOD)
    assert (late.status_code, "about to end" in said(late)) == (503, True)


def test_without_a_place_in_the_queue(completer):
    app = create_app(completer, CompletionOptions(), LIMITS, api="iopaint")
    app.state.work.taken = LIMITS.queue + 1
    (reply,) = ask(app, GOOD)
    assert (reply.status_code, "(--queue)" in said(reply)) == (429, True)
    assert reply.headers["retry-after"] == "1"


def test_without_the_option_there_is_none_of_it(completer):
    app = create_app(completer, CompletionOptions(), LIMITS)
    replies = ask(app, GOOD, ("GET", "/api/v1/model", {}))
    assert [reply.status_code for reply in replies] == [405, 404]


def test_another_page_in_place_of_the_own(completer, tmp_path):
    (tmp_path / "index.html").write_text("theirs")
    page = ("GET", "/", {})
    (reply,) = ask(create_app(completer, CompletionOptions(), LIMITS, page=tmp_path), page)
    assert reply.text == "theirs"
    assert "'unsafe-inline'" in reply.headers["content-security-policy"]
    (own,) = ask(create_app(completer, CompletionOptions(), LIMITS), page)
    assert "'unsafe-inline'" not in own.headers["content-security-policy"]
    assert serve.ServeConfig(page=tmp_path).page == tmp_path
    with pytest.raises(ValueError, match=re.escape(f"--page is {tmp_path / 'none'}, and there is no index.html")):
        serve.ServeConfig(page=tmp_path / "none")
