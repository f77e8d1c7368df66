"""A plug-in of pytest: the fixture `assert_sound` holds any fusion module to the doctor's promises.

It stands beside the package, since pytest loads plug-ins at its start: nothing of the library is imported before a test
asks for the fixture.
"""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="session")
def assert_sound() -> Callable[..., Any]:
    """Return `interfuse.doctor.assert_sound`: it raises an AssertionError that holds the report of a broken module.

    def test_my_fusion_is_sound(assert_sound):
        assert_sound(MyFusion(), image_dim=2048, text_dim=768)
    """
    from interfuse.doctor import assert_sound

    return assert_sound
