"""More than 500 broken and odd pictures and rows at once: no crash, and every one accounted for with a true reason."""

import csv
import io
import os

import numpy as np
import polars as pl
import pytest
from PIL import Image

from interfuse.core.progress import Silent
from interfuse.data import SourceSettings, load_for_run, open_picture, write_quarantine
from interfuse.data.pictures.files import identify
from interfuse.store import TokenStore
from interfuse.workflows.encode.encode import encode_pictures
from tests.data.pictures.test_files import png_header
from tests.workflows.encode.test_encode import ToyImages

KINDS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP")
MODES = ("RGB", "L", "P", "1", "CMYK", "RGBA", "LA")
WRITES = {
    "PNG": "RGB L P 1 RGBA LA",
    "JPEG": "RGB L CMYK",
    "GIF": "RGB L P 1",
    "WEBP": "RGB RGBA L",
    "BMP": "RGB L P 1",
}
TEXTS = ("短い文", "مرحبا بالعالم", "👩‍👩‍👧‍👦🏳️‍🌈", "a\0b\0", "x" * 100_000, "\u202eabc\u200b", "\t\x07bell", "ﬀ ﷽ Z͑ͫ̓")


def picture(number: int, mode: str = "RGB") -> Image.Image:
    draw = np.random.default_rng(number)
    pixels = Image.fromarray(draw.integers(0, 256, (12, 10, 3), dtype=np.uint8))
    return pixels.convert("RGBA").convert(mode) if mode == "LA" else pixels.convert(mode)


def saved(number: int, kind: str, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    picture(number, mode).save(buffer, kind)
    return buffer.getvalue()


def make_files(folder) -> dict[str, str | None]:
    """Write the files; each name to what its reason must hold, "" for any, none for a sound picture."""
    wanted: dict[str, str | None] = {}

    def write(name: str, content: bytes, reason: str | None) -> None:
        (folder / name).write_bytes(content)
        wanted[name] = reason

    draw = np.random.default_rng(0)
    for number in range(60):
        kind = KINDS[number % 5 if number % 6 == 4 else number % 6]
        modes = WRITES.get(kind, "RGB").split()
        write(f"good{number}.bin", saved(number, kind, modes[number % len(modes)]), None)
    for number in range(120):  # cut: most formats cannot be decoded, some lose only their end
        whole = saved(1_000 + number, KINDS[number % 6])
        write(f"cut{number}.jpg", whole[: int(draw.integers(1, len(whole)))], "?")
    for number in range(220):  # bytes changed: a picture, or a reason
        whole = bytearray(saved(2_000 + number, KINDS[number % 6]))
        for place in draw.integers(0, len(whole), 6):
            whole[place] = draw.integers(0, 256)
        write(f"changed{number}.png", bytes(whole), "?")
    for number in range(40):
        write(f"noise{number}.webp", draw.bytes(int(draw.integers(1, 400))), "not a picture in a known format")
    for number, text in enumerate(["a,b\n1,2", "<html></html>", "{}", "%PDF-1.4 none", "GIF", "BM"] * 5):
        write(f"text{number}.jpg", text.encode() + str(number).encode(), "not a picture in a known format|decoded")
    for number in range(10):
        write(f"empty{number}.gif", b"", "the file is empty")
        write(f"bomb{number}.png", png_header(9_000 + number, 9_000), "more than the limit of 64,000,000 pixels")
        write(f"huge{number}.png", png_header(200_000, 90_000 + number), "larger than the limit")
    return wanted


def odd_names(folder) -> dict[str, str | None]:
    """Names that are no plain file of the folder."""
    (folder / "folder.png").mkdir()
    (folder.parent / "secret.png").write_bytes(saved(1, "PNG"))
    os.symlink(folder.parent / "secret.png", folder / "link.png")
    os.symlink(folder / "good0.bin", folder / "inside.png")
    os.symlink(folder / "nowhere.png", folder / "dangling.png")
    os.symlink(folder / "loop.png", folder / "loop.png")
    with open(os.fsencode(folder) + b"/caf\xe9.png", "wb") as handle:
        handle.write(saved(77, "PNG"))
    return {
        "folder.png": "it is a folder",
        "../secret.png": "outside the image folder",
        str(folder.parent / "secret.png"): "outside the image folder",
        "link.png": "through a symbolic link",
        "inside.png": None,
        "dangling.png": "does not exist",
        "loop.png": "decoded|followed",
        "none.png": "does not exist",
        "nul\0.png": "null",
        "x" * 5_000: "too long",
        "café.png": None,
        "s3://bucket/a.png": "rows fetch nothing by themselves",
        "gopher://a/b.png": "URLs of the kind gopher:// are not read",
        "file:///etc/passwd": "outside the image folder",
        "短い文.png": "does not exist",
    }


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_five_hundred_broken_and_odd_pictures_are_all_accounted_for(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    wanted = make_files(folder)
    wanted |= odd_names(folder)
    assert len(wanted) >= 500
    names = list(wanted)
    frame = pl.DataFrame({"photo": names, "title": [TEXTS[n % len(TEXTS)] for n in range(len(names))]})
    settings = SourceSettings(image="photo", text="title", image_folder=folder)
    examples = load_for_run(frame, settings, "multiclass", (), labelled=False)
    opened = {key: (lambda path=path: open_picture(path)) for key, path in examples.pictures().items()}
    store = TokenStore(tmp_path / "store", ToyImages.signature, 4)
    report = encode_pictures(store, ToyImages(), opened, 32, Silent())
    examples = examples.without("image", report.failures)
    write_quarantine(examples, tmp_path / "quarantine.csv")

    assert len(examples) == len(names)  # every row has a text, so none is lost
    with (tmp_path / "quarantine.csv").open(encoding="utf-8", newline="") as handle:
        listed = {int(line["row"]): line for line in csv.DictReader(handle)}
    assert store.missing([key for key in opened if key not in report.failures]) == []
    keys, texts = (examples.table[column].to_pylist() for column in ("image_key", "text"))
    for row, (name, reason) in enumerate(wanted.items()):
        assert texts[row] == TEXTS[row % len(TEXTS)]
        assert (keys[row] is None) == (row in listed), name  # a picture with tokens, or a reason: never both or none
        if reason is None:
            assert row not in listed, listed.get(row)
        elif reason != "?":
            assert any(part in listed[row]["reason"] for part in reason.split("|")), (name, listed[row]["reason"])
        elif row in listed:  # the reason is true: Pillow alone cannot decode it either
            with pytest.raises(Exception), Image.open(folder / name) as image:  # noqa: B017, PT011
                image.convert("RGB").load()
    bad = sum(row in listed for row in range(len(names)))
    assert bad > 200
    assert {line["what"] for line in listed.values()} == {"image"}


def test_a_picture_of_fifty_megapixels_is_decoded_small(tmp_path):
    Image.new("L", (8_000, 6_250), 90).save(tmp_path / "large.jpg")
    assert open_picture(tmp_path / "large.jpg", 640, 16_000_000).size == (1_000, 782)
    assert identify(tmp_path / "large.jpg").key is not None
