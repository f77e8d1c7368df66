"""Thumbnails: made once by content, kept where they can be, and no reader is misled by what lies there."""

import hashlib

import numpy as np
import pytest

from interfuse.data.pictures import thumbnails
from interfuse.data.pictures.files import open_picture
from interfuse.data.pictures.thumbnails import make_thumbnail, read_thumbnails
from tests.shop import draw_scene


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """Twelve pictures, their keys and paths; all that are made are kept."""
    monkeypatch.setattr(thumbnails, "LEAST_KEPT", 1)
    draw, keys, paths = np.random.default_rng(0), [], []
    for number in range(12):
        path = tmp_path / f"{number}.png"
        draw_scene(draw, 32).save(path)
        keys.append(hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest())
        paths.append(str(path))
    return keys, paths


def read(keys, paths, folder):
    steps = []
    values, there = read_thumbnails(keys, paths, steps.append, folder)
    assert sum(steps) == len(keys)
    return values, there


def test_what_was_made_once_is_not_decoded_again(pictures, tmp_path, monkeypatch):
    keys, paths = pictures
    first, there = read(keys[:8], paths[:8], tmp_path / "cache")
    assert there.tolist() == [True] * 8
    decoded = []
    monkeypatch.setattr(thumbnails, "open_picture", lambda path, **_: decoded.append(path) or open_picture(path))
    order = [3, 9, 0, 11, 7]
    again, _ = read([keys[n] for n in order], [paths[n] for n in order], tmp_path / "cache")
    assert sorted(decoded) == sorted([paths[9], paths[11]])
    assert np.array_equal(again[[0, 2, 4]], first[[3, 0, 7]])
    assert np.array_equal(again[1], make_thumbnail(open_picture(paths[9])))
    decoded.clear()
    read([*keys[:8], keys[9], keys[11]], [*paths[:8], paths[9], paths[11]], tmp_path / "cache")
    assert decoded == []


def test_many_files_become_one_with_all_that_they_held(pictures, tmp_path, monkeypatch):
    keys, paths = pictures
    monkeypatch.setattr(thumbnails, "MOST_FILES", 3)
    folder = tmp_path / "cache"
    for start in range(0, 12, 2):
        read(keys[start : start + 2], paths[start : start + 2], folder)
    assert len(list(folder.iterdir())) <= 3
    monkeypatch.setattr(thumbnails, "open_picture", None)
    again, _ = read(keys, paths, folder)
    assert np.array_equal(again, np.stack([make_thumbnail(open_picture(path)) for path in paths]))


def test_a_picture_that_cannot_be_decoded_has_none(pictures, tmp_path):
    keys, paths = pictures
    (tmp_path / "3.png").write_bytes(b"no picture")
    assert read(keys, paths, tmp_path / "cache")[1].tolist() == [number != 3 for number in range(12)]


def test_a_cache_that_cannot_be_written_or_was_cut_short_is_done_without(pictures, tmp_path):
    keys, paths = pictures
    (tmp_path / "file").write_text("no folder")
    assert read(keys, paths, tmp_path / "file")[1].all()
    values, _ = read(keys, paths, tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(kept.read_bytes()[:-5])
    again, there = read(keys, paths, tmp_path / "cache")
    assert there.all()
    assert np.array_equal(again, values)


def test_a_few_pictures_leave_nothing_behind(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(thumbnails, "LEAST_KEPT", 13)
    read(*pictures, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_thumbnails_that_are_many_lie_in_a_file_and_are_the_same(pictures, tmp_path, monkeypatch):
    held, _ = read(*pictures, tmp_path / "cache")
    monkeypatch.setattr(thumbnails, "_HELD", 0)
    mapped, there = read(*pictures, tmp_path / "other")
    assert isinstance(mapped, np.memmap)
    assert there.all()
    assert np.array_equal(mapped, held)
