"""Attention maps: each word over the picture, and the words of each region; on the page and in a browser."""

import io
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

from interfuse.reports import Illustration, Maps, diagnosis_to_html, group_pieces, map_words, picture_uri, read_maps
from interfuse.reports.gallery import join_pieces
from interfuse.reports.maps import is_jpeg
from tests.browser import PHONE, WIDE, launched, visiting
from tests.reports.test_diagnosis import made

PIECES = ["[CLS]", "a", "lip", "##stick", "[SEP]"]
GRID = (2, 3)


def maps() -> Maps:
    to_image = np.full((5, 6), 0.1)
    to_image[1, 0] = 0.5  # "a" looks at the upper left
    to_image[2, 5], to_image[3, 5] = 0.4, 0.6  # both pieces of "lipstick" at the lower right
    to_text = np.full((6, 5), 0.2)
    to_text[4] = [0.0, 0.1, 0.5, 0.3, 0.1]  # the region below in the middle looks at "lipstick"
    return map_words(group_pieces(PIECES), to_image, to_text, GRID, 1.5)


def test_a_word_has_its_pieces_mean_heat_where_it_looked():
    first, second = maps().by_word
    assert (first.word, first.cells) == ("a", [(0, 0, 1.0)])
    assert (second.word, second.cells) == ("lipstick", [(2, 1, 1.0)])


def test_the_regions_that_choose_among_the_words_come_first():
    region = maps().by_region[0]
    assert (region.column, region.row) == (1, 1)
    assert region.words == [("a", 0.25), ("lipstick", 1.0)]


def test_each_direction_may_be_missing_and_a_foreign_grid_gives_none():
    words, to_image, to_text = group_pieces(PIECES), np.ones((5, 6)), np.ones((6, 5))
    assert not map_words(words, None, None, GRID, 1.0)
    assert not map_words(words, to_image, to_text, (3, 3), 1.0)
    assert not map_words(words, to_image, None, GRID, 1.0).by_region
    assert all(not one.cells for one in map_words(words, to_image, None, GRID, 1.0).by_word)
    assert not map_words(words, None, to_text, GRID, 1.0).by_word


def test_maps_come_back_from_their_record():
    assert read_maps(asdict(maps())) == maps()
    assert read_maps(None) == Maps()


def test_words_are_joined_alike_with_and_without_weights():
    assert join_pieces([(piece, at / 10) for at, piece in enumerate(PIECES)]) == [("a", 0.1), ("lipstick", 0.3)]


@pytest.mark.parametrize(
    "uri", ["data:image/jpeg;base64,AA');x:url(http://a", "http://a/b.jpg", None, "data:image/png"]
)
def test_nothing_but_a_picture_gets_into_the_style_sheet(uri):
    assert not is_jpeg(uri)
    html = diagnosis_to_html(made(), {3: Illustration({"picture": uri or ""}, {}, maps())})
    assert "--picture:" not in html


def test_the_page_shows_both_directions_in_a_browser(tmp_path):
    picture = np.zeros((80, 120, 3), np.uint8)
    picture[..., 2] = 120
    uri = picture_uri(Image.fromarray(picture))
    path = tmp_path / "page.html"
    drawn = replace(Illustration({"picture": uri, "occlusion": uri}, {"occlusion": [("a", 0.5)]}), maps=maps())
    path.write_text(diagnosis_to_html(made(), {3: drawn}), encoding="utf-8")
    with launched() as browser:
        for size in (WIDE, PHONE):
            with visiting(browser, path, size) as visit:
                visit.page.locator(".maps summary").focus()
                visit.page.keyboard.press("Enter")
                first = visit.page.locator(".map-grid svg").nth(1)
                box = first.bounding_box()
                assert box["width"] / box["height"] == pytest.approx(1.5, abs=0.05)
                image = Image.open(io.BytesIO(first.screenshot())).convert("RGB")
                glowing, plain = (
                    image.getpixel((int(image.width * 0.83), int(image.height * 0.7))),
                    image.getpixel((9, 9)),
                )
                assert glowing[0] > 120 > plain[0]
                assert plain[2] > 80
                assert visit.page.locator(".map-region").count() == 4
                assert visit.page.locator(".map-region .words").first.inner_text().split() == ["a", "lipstick"]
                assert not visit.said
                assert not visit.asked
