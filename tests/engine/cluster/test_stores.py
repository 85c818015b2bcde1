"""Folders and buckets give the same names and bytes, and what is written there is whole or not there."""

import os
from pathlib import Path

import pytest

from engine.cluster.stores import Folder, open_store, url_of
from tests.engine.cluster.store_server import BUCKET

NAMES = {"a.png", "day 1/ü #1%20?.jpg", "day 1/night/x.completed.png", "100%.tif"}


def test_urls_survive_a_path():
    assert url_of(Path("s3://bucket/photos/")) == "s3://bucket/photos"
    assert url_of(Path("gs://bucket")) == "gs://bucket"
    for name in ("photos", "/s3/photos", "s3:photos", "s3photos://b", "../s3:/b/c"):
        assert url_of(Path(name)) is None


@pytest.mark.parametrize("kind", ["folder", "s3", "gs"])
def test_what_is_put_is_listed_and_read(kind, server, tmp_path):
    store = open_store(tmp_path / "new" if kind == "folder" else Path(f"{kind}://{BUCKET}/stores/names {kind}"))
    assert [name for piece in store.listed() for name in piece] == []
    for name in NAMES:
        store.put(name, name.encode() * 3000)
    store.put("a.png", b"again")
    assert {name for piece in store.listed() for name in piece} == NAMES
    assert {store.read(name) for name in NAMES} == {b"again"} | {3000 * name.encode() for name in NAMES - {"a.png"}}
    with pytest.raises(FileNotFoundError):
        store.read("b.png")


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_listing_is_a_request_for_a_thousand_names(scheme, server):
    """One that breaks off goes on where it was."""
    for number in range(1100):
        server.put(f"stores/many/{number:04}", b"")
    store, names = open_store(Path(f"{scheme}://{BUCKET}/stores/many")), [f"{number:04}" for number in range(1100)]
    assert list(store.listed()) == [names[:1000], names[1000:]]
    assert [method for method, _ in server.requests] == ["GET"] * 2
    server.requests.clear()
    server.fault = lambda method, path: "break off" if len(server.requests) in (2, 3) else None
    assert [name for piece in store.listed() for name in piece] == names
    assert len(server.requests) == 4


def test_no_bucket_is_told_in_a_line(server):
    with pytest.raises(OSError, match=r"^s3://nowhere/photos: NoSuchBucket: The specified bucket does not exist$"):
        list(open_store(Path("s3://nowhere/photos")).listed())


@pytest.mark.parametrize("fault", ["refuse", "wait", "break off", "lose"])
def test_a_store_that_fails_for_a_while_is_asked_again(fault, server):
    """And an object is never there by half."""
    store = open_store(Path(f"s3://{BUCKET}/stores/{fault}"))
    content = bytes(range(256)) * 4000
    server.fault = lambda method, path: fault if len(server.requests) % 3 else None
    store.put("photo.png", content)
    assert server.files(f"stores/{fault}") == {"photo.png": content}
    server.requests.clear()
    assert store.read("photo.png") == content
    for _ in range(2):
        server.requests[:] = [("", "")]
        assert list(store.listed()) == [["photo.png"]]
        server.requests.clear()


def test_nothing_is_there_of_what_was_lost_on_its_way(server, monkeypatch):
    from engine.cluster import stores

    monkeypatch.setattr(stores, "RETRIES", {"max_retries": 1})
    store = open_store(Path(f"s3://{BUCKET}/stores/lost"))
    server.fault = lambda method, path: "lose"
    with pytest.raises(OSError, match=f"s3://{BUCKET}/stores/lost/photo.png: "):
        store.put("photo.png", bytes(1 << 20))
    server.fault = lambda method, path: None
    assert server.files("stores/lost") == {}


def test_links_that_lead_back_are_followed_once_and_told(tmp_path, caplog):
    for name in ("in/a/photo", "in/b/photo", "other/photo"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    for link, target in {
        "in/a/self": ".",
        "in/a/up": "..",
        "in/b/far up": "../..",
        "in/to other": "../other",
        "in/to other again": "../other",
        "other/back": "../in",
        "other/a": "../in/a",
    }.items():
        (tmp_path / link).symlink_to(target)
    names = [name for piece in Folder(tmp_path / "in").listed() for name in piece]
    places = ("a", "b", "to other", "to other/a", "to other again", "to other again/a")
    assert sorted(names) == sorted(f"{place}/photo" for place in places)
    assert f"{tmp_path}/in/a/self: left out, a link back to a folder that it lies in" in caplog.text


def test_folders_that_cannot_be_listed_are_told(tmp_path, caplog):
    (tmp_path / "photo").touch()
    inside = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):  # deeper than a path can say
        os.mkdir("d" * 250, dir_fd=inside)
        outer, inside = inside, os.open("d" * 250, os.O_RDONLY, dir_fd=inside)
        os.close(outer)
    os.close(inside)
    assert list(Folder(tmp_path).listed()) == [["photo"]]
    assert "left out, as it cannot be listed (File name too long)" in caplog.text
    assert list(Folder(tmp_path / "none").listed()) == [[]]
