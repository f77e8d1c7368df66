"""Towers: opened alike by every command, under the names that stores and runs have always had."""

import pytest
import torch
from PIL import Image

from interfuse.core.errors import EncoderError
from interfuse.encoders import load_image_encoder, load_text_encoder, save_finetuned
from interfuse.store import Projection
from interfuse.workflows import EncoderSettings
from interfuse.workflows.encode import Tower, open_tower, tower
from tests.workflows.export.test_export import make_encoders

PROJECTION = Projection(torch.zeros(4), torch.eye(4)[:, :2].contiguous())
OWN = {"name": "toy", "weights": "0123", "dtype": "float32"}
PROJECTED = {"projection": {"dim": 2, "digest": "96af75562674460ae1b0fcbd4a23b99b"}}


class Toy:
    """What a tower asks of an encoder."""

    name, dim, grid, size, device = "toy", 4, (1, 2), 32, "cpu"
    signature = OWN


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("towers")
    image, text = make_encoders(folder)
    return EncoderSettings(str(image), str(text), store=folder / "store")


@pytest.mark.parametrize(
    ("coding", "projection", "signature", "folder"),
    [
        ("bfloat16", None, OWN, "toy-f78fd72487fa9f0c"),
        ("int8", None, OWN | {"coding": "int8"}, "toy-636e038ca7484963"),
        ("float32", None, OWN | {"coding": "float32"}, "toy-f4150ec0997e07e3"),
        ("bfloat16", PROJECTION, OWN | PROJECTED, "toy-6826e613a0a97d5d"),
        ("int8", PROJECTION, OWN | PROJECTED | {"coding": "int8"}, "toy-77821a5468db3e34"),
    ],
)
def test_a_store_made_before_is_found_by_the_same_signature(coding, projection, signature, folder, tmp_path):
    opened = Tower(Toy(), coding).projected(projection)
    store = opened.store(tmp_path)
    assert opened.signature == signature
    assert (store.folder.name, store.coding) == (folder, coding)
    assert store.dim == (4 if projection is None else 2)


def test_the_sample_of_a_projection_has_a_store_of_its_own_coding(tmp_path):
    opened = Tower(Toy(), "int8")
    assert opened.store(tmp_path, "bfloat16").folder == Tower(Toy(), "bfloat16").store(tmp_path).folder


@pytest.mark.parametrize(("modality", "load"), [("image", load_image_encoder), ("text", load_text_encoder)])
def test_the_encoder_is_that_of_the_settings(settings, modality, load):
    name = getattr(settings, f"{modality}_encoder")
    opened = open_tower(modality, settings)
    assert opened.signature == load(name).signature
    float32 = EncoderSettings(settings.image_encoder, settings.text_encoder, store_dtype="float32")
    assert open_tower(modality, float32).signature == {**load(name, dtype="float32").signature, "coding": "float32"}
    assert open_tower(modality, settings, dtype="float32").signature["dtype"] == "float32"


@pytest.mark.parametrize("modality", ["image", "text"])
def test_weights_that_learnt_and_a_projection_stand_in_the_signature(settings, modality, tmp_path):
    plain = open_tower(modality, settings)
    first = next(iter(plain.encoder.network.parameters())).requires_grad_(True)
    with torch.no_grad():
        first.add_(1)
    save_finetuned(plain.encoder.network, tmp_path / "weights.safetensors")
    width = plain.encoder.dim
    projection = Projection(torch.zeros(width), torch.eye(width)[:, :3].contiguous())
    opened = open_tower(modality, settings, tmp_path / "weights.safetensors", projection)
    assert next(iter(opened.encoder.network.parameters())).equal(first)
    assert opened.encoder.dim == 3
    changed = {"weights", "tuned_from", "projection"}
    assert {name for name in opened.signature if opened.signature[name] != plain.signature.get(name)} == changed
    other = "text" if modality == "image" else "image"
    with pytest.raises(EncoderError, match="which is not there in this encoder"):
        open_tower(other, settings, tmp_path / "weights.safetensors")


def test_of_a_huge_jpeg_no_more_is_decoded_than_the_encoder_can_tell(monkeypatch, tmp_path):
    Image.new("RGB", (1200, 1600), "red").save(tmp_path / "large.jpg")
    opened = Tower(Toy(), "bfloat16").projected(PROJECTION)
    assert opened.open_picture(tmp_path / "large.jpg").size == (1200, 1600)
    monkeypatch.setattr(tower, "DRAFT_PIXELS", 1_000_000)
    assert opened.open_picture(tmp_path / "large.jpg").size == (150, 200)  # an eighth: 4 × 32 pixels are left at least
