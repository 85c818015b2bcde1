"""engine-infer with the masks that other tools write: LaMa's names, data sets' annotations, layers, selections."""

import csv
import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from engine.commands import infer
from tests.engine.inference.masks import made_annotations as made
from tests.engine.inference.masks.made_annotations import HEIGHT, WIDTH, square
from tests.engine.inference.masks.made_shadows import overlap, with_shadow


@pytest.fixture
def run(weights, run_main, capsys):
    """engine-infer with these arguments: its exit status, and what it printed."""

    def call(*arguments):
        with pytest.raises(SystemExit) as stopped:
            run_main(infer.main, *arguments, "--weights", weights, "--texture", "none", "--mask-dilate", "0")
        printed = capsys.readouterr()
        message = stopped.value.code if isinstance(stopped.value.code, str) else ""
        return (1 if message else stopped.value.code), printed.out + printed.err + message

    return call


@pytest.fixture
def photos(tmp_path):
    """A folder of one photo."""
    (tmp_path / "photos").mkdir()
    return save(tmp_path / "photos" / "photo.png")


def save(path, seed=0):
    samples = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(samples).save(path)
    return path


def save_mask(path, mask_HW):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(mask_HW).save(path)


def changed(before, after):
    """Where two pictures differ."""
    return (np.asarray(Image.open(before)) != np.asarray(Image.open(after))).any(2)


def check_completed(photo, out, mask_HW):
    """Nothing but the mask has changed, and most of it has."""
    changed_HW = changed(photo, out)
    assert not (changed_HW & ~mask_HW).any()
    assert changed_HW.sum() > 0.9 * mask_HW.sum()


def test_lamas_names_are_masks_and_several_are_joined(run, photos, tmp_path):
    """photo_mask.png and photo_mask001.png beside photo.png."""
    save_mask(photos.with_name("photo_mask.png"), square(2, 2, 5))
    save_mask(photos.with_name("photo_mask001.png"), square(20, 10, 12))
    status, printed = run(photos.parent, "--out", tmp_path / "done")
    assert (status, [*(tmp_path / "done").iterdir()]) == (0, [tmp_path / "done" / "photo.png"]), printed
    assert "note: 2 masks are joined: photo_mask.png, photo_mask001.png" in printed
    check_completed(photos, tmp_path / "done" / "photo.png", square(2, 2, 5) | square(20, 10, 12))
    # What a shell makes of photos/*.png, once there is a result beside the photo, too.
    for _ in range(2):
        status, printed = run(*sorted(photos.parent.iterdir()), "--overwrite")
        assert status == 0, printed
        check_completed(photos, photos.with_name("photo.completed.png"), square(2, 2, 5) | square(20, 10, 12))
    names = ["photo.completed.png", "photo.png", "photo_mask.png", "photo_mask001.png"]
    assert sorted(file.name for file in photos.parent.iterdir()) == names


def test_masks_of_lamas_names_in_a_folder_of_their_own(run, photos, tmp_path):
    save_mask(tmp_path / "masks" / "photo_mask000.png", square())
    save_mask(tmp_path / "masks" / "photo2_mask000.png", ~square())
    status, printed = run(photos.parent, "--mask", tmp_path / "masks", "--out", tmp_path / "done")
    assert status == 0, printed
    check_completed(photos, tmp_path / "done" / "photo.png", square())


def test_inverted_masks_are_joined_before(run, photos):
    save_mask(photos.with_name("photo_mask1.png"), ~square(2, 2, 5))
    save_mask(photos.with_name("photo_mask2.png"), square(2, 2, 5) & ~square(3, 3, 2))
    status, printed = run(photos, "--mask-invert")
    assert status == 0, printed
    check_completed(photos, photos.with_name("photo.completed.png"), square(3, 3, 2))


def test_a_photo_that_is_called_as_a_mask_of_nothing_is_a_photo(run, tmp_path):
    (tmp_path / "photos").mkdir()
    iron = save(tmp_path / "photos" / "iron_mask.png")
    status, printed = run(iron.parent, "--hole", "5,5,9,9", "--out", tmp_path / "done")
    assert status == 0, printed
    assert (tmp_path / "done" / "iron_mask.png").is_file()


@pytest.fixture
def data_set(tmp_path):
    """Photos, of which COCO annotates the first, knows the second, and has never heard of the third."""
    (tmp_path / "photos").mkdir()
    for seed, name in enumerate(("a", "b", "c")):
        save(tmp_path / "photos" / f"{name}.png", seed)
    document = json.loads(made.coco([made.CORNERS]))
    document["images"] = [
        {"id": number, "file_name": f"{name}.png", "width": WIDTH, "height": HEIGHT}
        for number, name in ((7, "a"), (8, "b"))
    ]
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    return tmp_path


def test_annotations_of_a_data_set(run, data_set):
    arguments = (data_set / "photos", "--mask", data_set / "annotations.json", "--out", data_set / "done")
    status, printed = run(*arguments)
    assert status == 1
    assert "it has no picture c.png; it has a.png, b.png (or --missing-mask copy" in printed
    assert printed.endswith("1 completed, 1 copied, 1 failed\n") or "1 completed, 1 copied, 1 failed" in printed
    check_completed(data_set / "photos" / "a.png", data_set / "done" / "a.png", square())
    assert (data_set / "done" / "b.png").read_bytes() == (data_set / "photos" / "b.png").read_bytes()
    status, printed = run(*arguments, "--missing-mask", "copy", "--label", "Person", "--json", "--overwrite")
    assert (status, json.loads(printed.splitlines()[-1])) == (
        0,
        {"summary": {"completed": 1, "copied": 2, "skipped": 0, "failed": 0}},
    )
    warnings = json.loads(printed.splitlines()[0])["warnings"]
    assert "1 annotated object(s) are taken: person" in warnings


def test_a_label_that_no_photo_has(run, data_set):
    status, printed = run(data_set / "photos", "--mask", data_set / "annotations.json", "--label", "dog")
    assert status == 3
    assert "it has no label dog; its labels are person (--label)" in printed


def test_labelmes_files_beside_their_photos(run, photos):
    photos.with_name("photo.json").write_bytes(made.labelme("rectangle", [[10, 5], [20, 15]]))
    status, printed = run(photos.parent, "--mask", photos.parent, "--out", photos.parent.parent / "done")
    assert status == 0, printed
    check_completed(photos, photos.parent.parent / "done" / "photo.png", made.inclusive())
    status, printed = run(photos, "--mask", photos.with_name("photo.json"), "--label", "dog")
    assert status == 1
    assert "the mask is empty: no object in the photo is labelled dog (--label); its labels are person" in printed


def test_superviselys_files_have_the_photos_ending_in_their_names(run, photos, tmp_path):
    (tmp_path / "ann").mkdir()
    rectangle = made.supervisely("rectangle", points={"exterior": [[10, 5], [20, 15]], "interior": []})
    (tmp_path / "ann" / "photo.png.json").write_bytes(rectangle)
    status, printed = run(photos, "--mask", tmp_path / "ann")
    assert status == 0, printed
    check_completed(photos, photos.with_name("photo.completed.png"), made.inclusive())


def test_a_folder_of_segment_anything(run, photos, tmp_path):
    folder = tmp_path / "sam" / "photo"
    folder.parent.mkdir()
    for number, mask_HW in enumerate((square(2, 2, 5), square(20, 10, 12))):
        save_mask(folder / f"{number}.png", mask_HW)
    with open(folder / "metadata.csv", "w", newline="") as file:
        csv.writer(file).writerows([["id", "area"], [0, 25], [1, 144]])
    for mask in (folder, folder.parent):
        status, printed = run(photos, "--mask", mask, "--label", "1", "--overwrite")
        assert status == 0, printed
        check_completed(photos, photos.with_name("photo.completed.png"), square(20, 10, 12))
    assert run(photos, "--mask", folder, "--overwrite")[0] == 0
    check_completed(photos, photos.with_name("photo.completed.png"), square(2, 2, 5) | square(20, 10, 12))
    status, printed = run(photos, "--mask", folder, "--label", "2", "--overwrite")
    assert status == 1
    assert "has no mask 2; it has 0, 1 (--label)" in printed


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_selection_saved_in_a_tiff(run, tmp_path, dtype):
    most = np.iinfo(dtype).max
    photo = np.random.default_rng(0).integers(0, most, (HEIGHT, WIDTH, 4)).astype(dtype)
    photo[..., 3] = square() * dtype(most)
    tifffile.imwrite(tmp_path / "photo.tif", photo, photometric="rgb", extrasamples=(0,), compression="zlib")
    for mask in ((), ("--mask", tmp_path / "photo.tif")):
        status, printed = run(tmp_path / "photo.tif", *mask, "--overwrite")
        assert status == 0, printed
        assert "note: the mask is the" in printed
        assert "note: the selection that is saved in the photo's file is left out of the result" in printed
        after = tifffile.imread(tmp_path / "photo.completed.tif")
        changed_HW = (photo[..., :3] != after).any(2)
        assert not (changed_HW & ~square()).any()
        assert changed_HW.sum() > 90


def test_layers_of_a_photoshop_document(run, photos, tmp_path):
    (tmp_path / "hole.psd").write_bytes(made.photoshop("selection"))
    status, printed = run(photos, "--mask", tmp_path / "hole.psd")
    assert status == 0, printed
    assert "note: the mask is the saved selection 'Alpha 1'" in printed
    check_completed(photos, photos.with_name("photo.completed.png"), square())


def test_select_completes_the_thing_and_not_the_box(run, tmp_path):
    samples = np.full((120, 160, 3), 90, np.uint8)
    samples[40:70, 60:100] = (200, 40, 30)
    Image.fromarray(samples).save(tmp_path / "photo.png")
    words = (tmp_path / "photo.png", "--select", "54,34,52,42", "--save-mask", tmp_path / "mask.png")
    status, printed = run(*words)
    assert status == 0, printed
    thing_HW = np.zeros((120, 160), bool)
    thing_HW[40:70, 60:100] = True
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "mask.png")), thing_HW * np.uint8(255))
    completed = np.array(Image.open(tmp_path / "photo.completed.png"))
    np.testing.assert_array_equal(completed[~thing_HW], samples[~thing_HW])
    assert np.abs(completed[thing_HW].astype(int) - 90).max() < 40


@pytest.mark.parametrize("by", ["--mask", "--select"])
def test_the_shadow_is_completed_too(run, tmp_path, by):
    samples_HW3, thing_HW, shadow_HW = with_shadow(200, 0.5)
    Image.fromarray(samples_HW3).save(tmp_path / "photo.png")
    Image.fromarray(thing_HW * np.uint8(255)).save(tmp_path / "thing.png")
    what = tmp_path / "thing.png" if by == "--mask" else "60,60,60,60"
    words = (tmp_path / "photo.png", by, what, "--shadow", "--save-mask", tmp_path / "mask.png")
    status, printed = run(*words)
    assert status == 0, printed
    assert "note: a shadow of" in printed
    mask_HW = np.array(Image.open(tmp_path / "mask.png")) > 0
    assert overlap(mask_HW, thing_HW | shadow_HW) > 0.8
    assert overlap(mask_HW & ~thing_HW, shadow_HW) > 0.7


@pytest.mark.parametrize("by", ["alpha", "--nodata"])
def test_a_shadow_ends_where_nobody_sees_the_photo(run, tmp_path, by):
    samples_HW3, thing_HW, shadow_HW = with_shadow(200, 0.5)
    hidden_HW = np.zeros(thing_HW.shape, bool)
    hidden_HW[:, 150:] = True
    assert (shadow_HW & hidden_HW).any()
    words = []
    if by == "alpha":
        samples_HW3 = np.dstack((samples_HW3, 255 * ~hidden_HW)).astype(np.uint8)
    else:
        samples_HW3[hidden_HW] = 70  # as dark as the shadow
        words = ["--nodata", "70"]
    Image.fromarray(samples_HW3).save(tmp_path / "photo.png")
    Image.fromarray(thing_HW * np.uint8(255)).save(tmp_path / "photo.mask.png")
    status, printed = run(tmp_path / "photo.png", "--shadow", "--save-mask", tmp_path / "mask.png", *words)
    assert status == 0, printed
    mask_HW = np.array(Image.open(tmp_path / "mask.png")) > 0
    assert not (mask_HW & hidden_HW).any()
    assert overlap(mask_HW & ~thing_HW, shadow_HW & ~hidden_HW) > 0.7
    assert printed.count("stands for no data") == (by == "--nodata")


def test_a_shadow_of_most_of_the_photo_is_to_be_forced(run, tmp_path):
    """The mask is none that is inverted: what to leave out is the shadow."""
    samples_HW3, _, _ = with_shadow(200, 1.0)
    samples_HW3[:, 75:165] = samples_HW3[:, 75:165] * 0.6
    Image.fromarray(samples_HW3).save(tmp_path / "photo.png")
    box = ("--hole", "5,20,70,160")
    status, printed = run(tmp_path / "photo.png", *box, "--shadow")
    assert status == 1
    assert "with the shadow that was found, 73% of the photo would be completed" in printed
    assert "leave out --shadow, or give --force" in printed
    assert "--mask-invert" not in printed
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]
    for words in (("--shadow", "--force"), ("--overwrite",)):
        status, printed = run(tmp_path / "photo.png", *box, *words, "--texture", "none")
        assert status == 0, printed


def test_shadows_of_some_things_are_said(run, tmp_path):
    samples_HW3, thing_HW, _ = with_shadow(200, 0.5)
    thing_HW[150:180, 20:50] = True
    Image.fromarray(samples_HW3).save(tmp_path / "photo.png")
    Image.fromarray(thing_HW * np.uint8(255)).save(tmp_path / "photo.mask.png")
    status, printed = run(tmp_path / "photo.png", "--shadow", "--texture", "none")
    assert status == 0, printed
    assert "pixels were found beside 1 of 2 things and are completed, too: paint those of the others" in printed


def test_no_shadow_is_said(run, tmp_path):
    samples_HW3, thing_HW, _ = with_shadow(200, 1.0)
    Image.fromarray(samples_HW3).save(tmp_path / "photo.png")
    Image.fromarray(thing_HW * np.uint8(255)).save(tmp_path / "photo.mask.png")
    status, printed = run(tmp_path / "photo.png", "--shadow", "--save-mask", tmp_path / "mask.png", "--json")
    assert status == 0, printed
    assert "no shadow was found beside what is masked: paint it, too" in printed
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "mask.png")) > 0, thing_HW)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--select", "3,4"), "--select is '3,4'; it must be X,Y,WIDTH,HEIGHT"),
        (("--select", "3,4,20,20", "--mask", "m.png"), "--select and --mask are both given"),
        (("--select", "3,4,20,20", "--label", "2"), "--select and --label are both given"),
        (("--select", "8,8,20,20"), "nothing in it differs from what is around it"),
        (("--hole", "3,4,9,9", "--save-mask", "m.jpg"), "give it the ending .png"),
        (("--hole", "3,4,9,9", "--save-mask", "photo.png"), "the photo or its result; give it a name of its own"),
    ],
)
def test_selections_that_cannot_be_are_refused(run, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (WIDTH, HEIGHT), (90, 100, 110)).save("photo.png")
    status, printed = run("photo.png", *words)
    assert status != 0
    assert message in " ".join(printed.replace("\u2502", " ").split())
    assert not (tmp_path / "photo.completed.png").exists()
