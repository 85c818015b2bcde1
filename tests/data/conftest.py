"""What all tests of the data parts share."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.data.made_photos import encoded, scene, with_orientation, write_photos

settings.register_profile("no deadline", deadline=None)  # wall-clock decides no test
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 JPEGs: small, large (more than twice and four times a crop of 64), and in every EXIF orientation."""
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder, 28)
    for number in range(28, 32):
        (folder / f"large{number}.jpg").write_bytes(encoded(scene(number, 701, 527), quality=90))
    for orientation in range(1, 9):
        data = encoded(scene(40 + orientation, 180, 120), quality=90, exif=with_orientation(orientation))
        (folder / f"turned{orientation}.JPG").write_bytes(data)
    return folder
