"""A pair of modalities: unpacked, named, and looked up."""

import pytest

from interfuse.core.modalities import MODALITIES, Modalities


def test_the_image_comes_first_and_each_is_found_by_its_name():
    pair = Modalities(image=[1], text=[2, 3])
    image, text = pair
    assert (image, text) == ([1], [2, 3])
    assert list(pair.named()) == [("image", [1]), ("text", [2, 3])]
    assert [pair.of(name) for name in MODALITIES] == [image, text]
    with pytest.raises(KeyError):
        pair.of("audio")
