"""Bad and odd pictures: a true reason, or the right pixels; never a crash."""

import os
import resource
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from interfuse.core.errors import OutOfFilesError
from interfuse.data.pictures.files import FORMATS, PictureError, identify, open_picture, read_header, resolve
from interfuse.data.readers.collection import PICTURE_ENDINGS


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nothing."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return start + struct.pack(">I", 4) + b"IDAT" + bytes(8)


def test_pictures_are_told_apart_by_content_not_by_name(tmp_path):
    for name, colour in (("a.png", "red"), ("b.png", "red"), ("c.png", "blue")):
        Image.new("RGB", (4, 4), colour).save(tmp_path / name)
    keys = [identify(str(tmp_path / name)).key for name in ("a.png", "b.png", "c.png")]
    assert keys[0] == keys[1] != keys[2]
    assert len(keys[0]) == 32


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"these are words", "not a picture in a known format"),
        (png_header(9_000, 9_000), "9,000 × 9,000 pixels, more than the limit of 64,000,000"),
        (png_header(100_000, 100_000), "larger than the limit of 64,000,000 pixels"),
    ],
    ids=["empty", "words", "large", "bomb"],
)
def test_a_file_that_cannot_be_used_is_known_by_its_header(tmp_path, content, reason):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    assert reason in identify(str(path)).reason
    with pytest.raises(PictureError):
        open_picture(str(path))


def test_a_file_that_is_not_there_and_a_folder_have_their_reasons(tmp_path):
    assert identify(str(tmp_path / "none.png")).reason == "the file does not exist"
    assert identify(str(tmp_path)).reason == "it is a folder, not a file"


def test_a_truncated_picture_is_found_when_it_is_decoded(tmp_path):
    whole, cut = tmp_path / "whole.jpg", tmp_path / "cut.jpg"
    Image.effect_noise((64, 64), 50).save(whole)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert identify(str(cut)).key is not None
    with pytest.raises(PictureError, match="cannot be decoded: .*truncated"):
        open_picture(str(cut))


def test_every_mode_becomes_the_rgb_that_a_person_sees(tmp_path):
    def pixel(name: str) -> tuple[int, ...]:
        return open_picture(str(tmp_path / name)).getpixel((0, 0))

    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg")
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    Image.fromarray(np.full((4, 4), 32768, np.uint16)).save(tmp_path / "deep.png")
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    palette.save(tmp_path / "palette.png")
    palette.save(tmp_path / "ghost.png", transparency=1)
    red, blue = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    red.save(tmp_path / "moving.gif", save_all=True, append_images=[blue])
    assert pixel("cmyk.jpg")[0] > 200
    assert max(pixel("cmyk.jpg")[1:]) < 60
    assert pixel("clear.png") == (255, 255, 255)
    assert pixel("deep.png") == (128, 128, 128)
    assert pixel("palette.png") == (10, 200, 30)
    assert pixel("ghost.png") == (255, 255, 255)
    assert pixel("moving.gif") == (255, 0, 0)


def test_a_picture_stands_upright_as_its_exif_says(tmp_path):
    image = Image.new("RGB", (8, 4), "white")
    image.paste((0, 0, 0), (0, 0, 4, 4))  # left half black
    tag = Image.Exif()
    tag[0x0112] = 6  # turn a quarter clockwise: the left half comes on top
    image.save(tmp_path / "turned.png", exif=tag)
    upright = open_picture(str(tmp_path / "turned.png"))
    assert upright.size == (4, 8)
    assert upright.getpixel((2, 1)) == (0, 0, 0)
    assert upright.getpixel((2, 6)) == (255, 255, 255)


def test_a_dark_16_bit_picture_stays_dark_and_floats_up_to_one_are_bright(tmp_path):
    Image.fromarray(np.full((4, 4), 200, np.uint16)).save(tmp_path / "dark.png")
    Image.fromarray(np.array([[0.5, np.nan]], np.float32)).save(tmp_path / "float.tif")
    assert open_picture(tmp_path / "dark.png").getpixel((0, 0)) == (1, 1, 1)
    assert open_picture(tmp_path / "float.tif").getpixel((0, 0)) == (128, 128, 128)
    assert open_picture(tmp_path / "float.tif").getpixel((1, 0)) == (0, 0, 0)


def test_half_transparent_pixels_are_mixed_with_white(tmp_path):
    Image.new("LA", (2, 2), (0, 51)).save(tmp_path / "grey.png")
    assert open_picture(tmp_path / "grey.png").getpixel((0, 0)) == (204, 204, 204)


def test_a_large_jpeg_is_drafted_but_never_below_the_size_asked_for(tmp_path):
    Image.new("RGB", (1600, 800), "red").save(tmp_path / "large.jpg")
    assert open_picture(tmp_path / "large.jpg").size == (1600, 800)
    assert open_picture(tmp_path / "large.jpg", at_least=150).size == (400, 200)
    assert open_picture(tmp_path / "large.jpg", at_least=2000).size == (1600, 800)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
def test_broken_exif_does_not_lose_a_sound_picture(tmp_path):
    Image.new("RGB", (4, 4), "red").save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff garbage")
    assert open_picture(tmp_path / "a.jpg").size == (4, 4)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_file_broken_anywhere_is_a_picture_error_or_a_picture(tmp_path, kind):
    path = tmp_path / "photo"
    Image.effect_noise((24, 24), 60).convert("RGB").save(path, kind)
    whole = path.read_bytes()
    draw = np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(whole[: draw.integers(1, len(whole) + 1)])
        for place in draw.integers(0, len(broken), 4):
            broken[place] = draw.integers(0, 256)
        path.write_bytes(bytes(broken))
        identity = identify(path)
        assert (identity.key is None) != (identity.reason is None)
        with suppress(PictureError):
            assert open_picture(path).mode == "RGB"


def test_a_path_that_no_file_can_have_is_a_reason(tmp_path):
    assert "null byte" in identify("a\0b.png").reason
    assert "null" in resolve(tmp_path, "a\0b.png", True)[1]
    assert "too long" in identify(str(tmp_path / ("x" * 5_000))).reason


def test_a_path_may_not_leave_the_declared_folder(tmp_path):
    assert resolve(tmp_path, "a/../b.png", True) == (str(tmp_path / "b.png"), None)
    assert "outside the image folder" in resolve(tmp_path, "../b.png", False)[1]
    assert "outside the image folder" in resolve(tmp_path, "/etc/passwd", True)[1]
    assert resolve(tmp_path, "/photos/b.png", False) == ("/photos/b.png", None)


@pytest.mark.parametrize("kind", ["EPS", "PPM", "TGA", "ICO"])
def test_no_decoder_but_those_of_the_list_sees_a_file_whatever_it_is_called(tmp_path, monkeypatch, kind):
    def run(*_, **__):
        raise AssertionError("a program was about to run")

    Image.new("RGB", (16, 16), "red").save(tmp_path / "photo.jpg", kind)
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", run)
    with Image.open(tmp_path / "photo.jpg") as image:  # Pillow alone would take it
        assert image.format == kind
    assert "not a picture in a known format" in identify(tmp_path / "photo.jpg").reason
    for look in (open_picture, read_header):
        with pytest.raises(PictureError, match="not a picture in a known format"):
            look(tmp_path / "photo.jpg")


def test_the_endings_that_are_looked_for_are_those_of_the_kinds_that_are_decoded():
    Image.init()
    assert {Image.EXTENSION[ending] for ending in PICTURE_ENDINGS} == set(FORMATS)


@pytest.mark.parametrize("kind", ["pipe", "device", "sparse", "link"])
def test_what_is_no_file_of_a_sane_size_is_refused_without_reading_it(tmp_path, kind):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with (tmp_path / "sparse").open("wb") as file:
        file.write(png_header(8, 8))
        file.truncate(100 << 30)
    path = {"device": "/dev/zero"}.get(kind, tmp_path / kind)
    reason = "107,374,182,400 bytes, more than the limit" if kind == "sparse" else "a pipe or a device"
    assert reason in identify(path).reason
    for look in (open_picture, read_header):
        with pytest.raises(PictureError, match=reason):
            look(path)


def test_a_picture_is_not_missing_because_too_many_files_are_open(tmp_path):
    Image.new("RGB", (4, 4), "red").save(tmp_path / "a.png")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        for look in (identify, open_picture, read_header):
            with pytest.raises(OutOfFilesError, match="ulimit -n 4096"):
                look(tmp_path / "a.png")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert identify(tmp_path / "a.png").key is not None
