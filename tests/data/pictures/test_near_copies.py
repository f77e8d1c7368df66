"""Near-copies: what a picture becomes when it is saved again is found; another picture, however alike, is not."""

import io
from itertools import combinations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from interfuse.data.pictures import near_copies
from interfuse.data.pictures.near_copies import are_near, find_near
from interfuse.data.pictures.thumbnails import make_thumbnail
from tests.shop import draw_scene


def save(picture, format="JPEG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return Image.open(io.BytesIO(buffer.getvalue()))


COPIES = {
    "jpeg 50": lambda picture: save(picture, quality=50),
    "jpeg 90": lambda picture: save(picture, quality=90),
    "webp": lambda picture: save(picture, "WEBP", quality=60),
    "half": lambda picture: save(picture.resize((64, 64), Image.Resampling.LANCZOS), quality=80),
    "wider": lambda picture: save(picture.resize((150, 120), Image.Resampling.BICUBIC), quality=80),
    "twice": lambda picture: save(picture.resize((256, 256), Image.Resampling.BILINEAR), quality=80),
}


def thumbnails_of(pictures):
    return np.stack([make_thumbnail(picture) for picture in pictures])


def components(thumbnails, near):
    """Return the first of each picture's component by a comparison of all pairs."""
    one, other = np.triu_indices(len(thumbnails), 1)
    linked = np.concatenate([near(one[at : at + 2000], other[at : at + 2000]) for at in range(0, len(one), 2000)])
    graph = coo_array((np.ones(linked.sum()), (one[linked], other[linked])), shape=(len(thumbnails),) * 2)
    labels = connected_components(graph, directed=False)[1]
    return np.array([np.flatnonzero(labels == label)[0] for label in labels])


@pytest.fixture(scope="module")
def scenes():
    draw = np.random.default_rng(3)
    return [draw_scene(draw) for _ in range(60)]


@pytest.mark.parametrize("way", COPIES)
def test_a_picture_that_was_saved_again_is_a_near_copy_and_no_other_is(scenes, way):
    thumbnails = thumbnails_of([*scenes, *(COPIES[way](scene) for scene in scenes)])
    assert find_near(thumbnails).tolist() == [*range(60), *range(60)]


@pytest.mark.parametrize(
    "limits", [{}, {"_NEAREST": 2, "_CROWD": 3, "_NEIGHBOURS": 7, "_PIECE": 3}, {"_NEAREST": 1, "_CROWD": 999}]
)
def test_all_pairs_that_a_comparison_of_all_finds_are_linked(monkeypatch, limits):
    """Whatever is compared with what in which order."""
    draw = np.random.default_rng(5)
    originals = thumbnails_of([draw_scene(draw) for _ in range(30)]).astype(float)
    copies = [originals]
    for _ in range(9):  # near the limits: some are linked, some only through others, some not at all
        noise = draw.normal(0, 1, originals.shape) * draw.uniform(0, 9, (30, 1, 1, 1))
        tint = draw.normal(0, 1, (30, 1, 1, 3)) * draw.uniform(0, 3, (30, 1, 1, 1))
        copies.append(originals + noise + tint)
    thumbnails = np.clip(np.concatenate(copies).round(), 0, 255).astype(np.uint8)
    expected = components(thumbnails, lambda one, other: are_near(thumbnails[one], thumbnails[other]))
    sizes = np.bincount(expected)
    assert 30 < (sizes > 0).sum() < 240, "limits that link nothing or everything would test nothing"
    assert find_near(thumbnails).tolist() == expected.tolist()
    for name, value in limits.items():
        monkeypatch.setattr(near_copies, name, value)
    assert find_near(thumbnails).tolist() == expected.tolist()


def test_many_pictures_of_one_scene_are_not_compared_all_with_all(monkeypatch):
    draw = np.random.default_rng(2)
    scene = thumbnails_of([draw_scene(draw)]).astype(int).clip(9, 246)
    thumbnails = (scene + draw.integers(-3, 4, (3000, 16, 16, 3))).astype(np.uint8)
    count, compared = near_copies.are_near, []
    monkeypatch.setattr(near_copies, "are_near", lambda one, other: compared.append(len(one)) or count(one, other))
    assert find_near(thumbnails).tolist() == [0] * 3000
    assert sum(compared) < 3000 * 8


def test_pixels_that_correlate_are_found_too():
    """Grey pictures of 32 × 32 pixels, which the criterion never sees: all pairs above 0.98 are linked, no other is."""
    draw = np.random.default_rng(7)
    scenes = [draw_scene(draw) for _ in range(100)]
    pictures = [*scenes, *(COPIES["jpeg 90"](s) for s in scenes), *(COPIES["half"](s) for s in scenes)]
    grey = [np.asarray(p.convert("L").resize((32, 32), Image.Resampling.BILINEAR), float).ravel() for p in pictures]
    alike = np.corrcoef(grey) > 0.98
    expected = components(alike, lambda one, other: alike[one, other])
    assert expected.tolist() == [*range(100)] * 3
    assert find_near(thumbnails_of(pictures)).tolist() == expected.tolist()


def product(number):
    """Draw a shirt on white ground; shirts differ in nothing but a small print, or in their colour."""
    picture = Image.new("RGB", (160, 160), "white")
    brush = ImageDraw.Draw(picture)
    brush.rectangle((40, 30, 120, 140), fill=(40, 60, 140) if number else (40, 60, 160))
    brush.rectangle((15, 30, 145, 60), fill=(40, 60, 140) if number else (40, 60, 160))
    if number > 1:
        brush.ellipse((62 + 8 * (number - 2), 70, 80 + 8 * (number - 2), 88), fill="white")
    return picture


def test_products_of_one_composition_stay_apart():
    """All correlate above 0.96, as whole pictures: what tells them apart is a block, or the mean colour."""
    thumbnails = thumbnails_of([product(number) for number in range(5)])
    flat = thumbnails.reshape(5, -1).astype(float)
    assert np.corrcoef(flat).min() > 0.96
    assert find_near(thumbnails).tolist() == [*range(5)]


def test_flat_pictures_are_told_apart_by_their_files_alone():
    pages = [Image.new("RGB", (90, 90), "white") for _ in range(3)]
    ImageDraw.Draw(pages[1]).line((10, 40, 30, 40), fill=(200, 200, 200))
    greys = [Image.new("RGB", (60, 60), (level, level, level)) for level in range(100, 110)]
    thumbnails = thumbnails_of([*pages, *greys])
    assert find_near(thumbnails).tolist() == [*range(13)]


def test_of_copies_of_copies_each_is_linked_to_the_first():
    draw = np.random.default_rng(1)
    first = thumbnails_of([draw_scene(draw)]).astype(float).clip(20, 235)
    chain = np.concatenate([first + step for step in (0, 1.9, 3.8, 5.7)]).round().astype(np.uint8)
    near = {(a, b) for a, b in combinations(range(4), 2) if are_near(chain[a : a + 1], chain[b : b + 1])[0]}
    assert near == {(0, 1), (1, 2), (2, 3)}
    assert find_near(chain).tolist() == [0, 0, 0, 0]


def test_none_and_one_have_no_copies():
    assert find_near(np.zeros((0, 16, 16, 3), np.uint8)).tolist() == []
    assert find_near(np.zeros((1, 16, 16, 3), np.uint8)).tolist() == [0]
