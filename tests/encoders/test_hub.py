"""Models of transformers of every shape, opened from folders: towers, sizes, damage, and a hub that is silent."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from interfuse.core.errors import ConfigError, EncoderError
from interfuse.encoders import default_image_size, load_image_encoder, load_text_encoder
from interfuse.encoders.base import resolve_dtype
from tests.patience import PATIENCE_S

os.environ["HF_HUB_OFFLINE"] = "1"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "circle"]
TINY = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "model"


def add_processor(folder, **changes):
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    ViTImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder


def add_tokenizer(folder):
    from transformers import BertTokenizerFast

    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=16).save_pretrained(folder)
    return folder


def save_vit(folder, **changes):
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(0)
    ViTModel(ViTConfig(**TINY, image_size=64), add_pooling_layer=False).save_pretrained(folder)
    return add_processor(folder, **changes)


def save_bert(folder):
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    BertModel(BertConfig(**TINY, vocab_size=len(WORDS))).save_pretrained(folder)
    return add_tokenizer(folder)


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_vision_transformer_takes_pictures_of_another_size(folder):
    encoder = load_image_encoder(str(save_vit(folder)), 96, dtype="float32")
    assert encoder.grid == (6, 6)
    assert encoder.encode(encoder.prepare(Image.new("RGB", (9, 9)))[None]).shape == (1, 36, 24)


def test_a_size_that_the_model_cannot_take_is_told_with_the_one_it_can(folder):
    with pytest.raises(EncoderError, match=r"takes no pictures of 8 × 8 pixels: .* or give 64\."):
        load_image_encoder(str(save_vit(folder)), 8)


def test_a_transformer_that_merges_patches_gives_its_last_grid(folder):
    from transformers import SwinConfig, SwinModel

    config = SwinConfig(image_size=64, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4)
    SwinModel(config).save_pretrained(folder)
    encoder = load_image_encoder(str(add_processor(folder)))
    assert (encoder.grid, encoder.dim) == ((8, 8), 16)


@pytest.mark.parametrize(
    ("changes", "white"),
    [
        ({}, 1.0),
        ({"do_normalize": False, "image_mean": None, "image_std": None}, 1.0),
        ({"do_normalize": False, "do_rescale": False}, 255.0),
        ({"image_mean": [0.2, 0.2, 0.2]}, 1.6),
    ],
)
def test_pixels_are_scaled_as_the_processor_says(folder, changes, white):
    encoder = load_image_encoder(str(save_vit(folder, **changes)))
    assert encoder.prepare(Image.new("RGB", (5, 5), "white")).unique().tolist() == pytest.approx([white], abs=1e-4)


def test_a_grey_picture_is_prepared_as_its_rgb_form(folder):
    encoder = load_image_encoder(str(save_vit(folder)))
    grey = Image.new("L", (5, 7), 90)
    assert encoder.prepare(grey).equal(encoder.prepare(grey.convert("RGB")))


def test_both_towers_of_clip_give_their_token_states(folder):
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    ends = {"eos_token_id": 3, "bos_token_id": 2, "pad_token_id": 0}
    text = {**TINY, **ends, "hidden_size": 16, "vocab_size": len(WORDS)}
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config={**TINY, "image_size": 64, "patch_size": 16})).eval()
    model.save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}).save_pretrained(folder)
    add_tokenizer(folder)
    images, texts = load_image_encoder(str(folder), dtype="float32"), load_text_encoder(str(folder), dtype="float32")
    assert (images.grid, images.dim, texts.dim) == ((4, 4), 24, 16)
    picture = images.prepare(Image.new("RGB", (64, 64), "red"))[None]
    with torch.inference_mode():
        patches = model.vision_model(pixel_values=picture).last_hidden_state[:, 1:]
        states = model.text_model(input_ids=torch.tensor([[2, 5, 3]])).last_hidden_state
    assert_close(images.encode(picture), patches)
    assert_close(texts.encode([[2, 5, 3], [2, 5, 6, 7, 3]]).tokens[0, :3], states[0], rtol=1e-4, atol=1e-5)


def test_the_encoder_of_an_encoder_decoder_is_taken(folder):
    from transformers import T5Config, T5Model

    T5Model(T5Config(vocab_size=8, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)).save_pretrained(folder)
    encoder = load_text_encoder(str(add_tokenizer(folder)))
    assert encoder.encode([[2, 5, 3]]).tokens.shape == (1, 3, 16)


def test_a_text_that_splits_into_nothing_is_not_a_missing_text(folder):
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    save_bert(folder)
    (folder / "vocab.txt").unlink()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]").save_pretrained(folder)
    encoder = load_text_encoder(str(folder))
    assert encoder.prepare(["a red", ""]).ids == [[5, 6], [1]]


def test_the_signature_changes_with_the_config_that_the_weights_run_under(folder):
    before = load_text_encoder(str(save_bert(folder)), dtype="float32")
    change_config(folder, num_attention_heads=4)
    after = load_text_encoder(str(folder), dtype="float32")
    assert not before.encode([[2, 5, 3]]).tokens.equal(after.encode([[2, 5, 3]]).tokens)
    assert before.signature != after.signature


def test_weights_that_are_replaced_while_we_run_change_the_signature(folder):
    from safetensors.torch import load_file, save_file

    before = load_text_encoder(str(save_bert(folder))).signature
    weights = load_file(folder / "model.safetensors")
    save_file({name: value + 1 for name, value in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    assert load_text_encoder(str(folder)).signature["weights"] != before["weights"]


def test_weights_that_lack_a_tensor_are_refused_and_not_filled_with_random_numbers(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(save_bert(folder) / "model.safetensors")
    del weights["encoder.layer.0.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError, match=r"lack 1 tensors that a BertModel needs; .*layer\.0\.output\.dense\.weight"):
        load_text_encoder(str(folder))


def test_weights_of_another_shape_are_refused(folder):
    change_config(save_bert(folder), intermediate_size=64)
    with pytest.raises(EncoderError, match=r"the weights have other shapes than its config\.json says"):
        load_text_encoder(str(folder))


def test_code_that_comes_with_a_model_is_never_run_nor_asked_about(folder, monkeypatch):
    change_config(save_bert(folder), model_type="oddball", auto_map={"AutoConfig": "evil.C", "AutoModel": "evil.M"})
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\nfrom transformers import BertConfig as C\n")
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with pytest.raises(EncoderError, match="needs code of its own, which is never run"):
        load_text_encoder(str(folder))
    assert not (folder / "ran").exists()


def test_the_default_size_is_known_without_opening_weights(folder):
    save_vit(folder)
    (folder / "model.safetensors").write_bytes(b"not weights")
    assert (default_image_size(), default_image_size(str(folder))) == (160, 64)


def test_an_unknown_number_format_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="Unknown encoder dtype 'float16'.* Known: auto, bfloat16, float32"):
        resolve_dtype("float16", "cpu")


@pytest.mark.parametrize(
    ("avx512_bf16", "amx", "chosen"),
    [(True, False, "bfloat16"), (False, True, "bfloat16"), (False, False, "float32")],
)
def test_bfloat16_is_chosen_only_where_the_processor_has_its_instructions(monkeypatch, avx512_bf16, amx, chosen):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert resolve_dtype("auto", "cpu") == chosen


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A model in the hub's local cache, under the id `someone/tiny`."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    repo, sha = tmp_path / "cache" / "models--someone--tiny", "a" * 40
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(sha)
    (repo / "snapshots").mkdir()
    return save_bert(repo / "snapshots" / sha)


def test_a_model_in_the_hubs_cache_is_used_without_the_hub(cached):
    assert load_text_encoder("someone/tiny").dim == 24


@pytest.mark.parametrize("damage", ["no weights", "a shard is absent"])
def test_an_unfinished_download_is_fetched_again_and_not_used(cached, monkeypatch, damage):
    import huggingface_hub

    if damage == "no weights":
        (cached / "model.safetensors").unlink()
    else:
        index = {"weight_map": {"x": "model.safetensors", "y": "model-2.safetensors"}}
        (cached / "model.safetensors.index.json").write_text(json.dumps(index))
    fetched: list[str] = []

    def download(name: str, local_files_only: bool = False, **settings: object) -> str:
        if not local_files_only:
            fetched.append(str(settings["revision"]))
            raise ConnectionError
        return str(cached)

    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **__: SimpleNamespace(sha="b" * 40))
    with pytest.raises(EncoderError, match=r"'someone/tiny' .*hub did not give it \(ConnectionError\)"):
        load_text_encoder("someone/tiny")
    assert fetched == ["b" * 40]


SILENT_HUB = """
import os, socket
server = socket.create_server(("127.0.0.1", 0))
os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{server.getsockname()[1]}"
from interfuse.core.errors import EncoderError
from interfuse.encoders import hub, load_image_encoder
hub.HUB_TIMEOUT_S = 0.5
try:
    load_image_encoder("someone/some-model")
except EncoderError as error:
    print(error)
"""


def test_a_hub_that_accepts_and_never_answers_is_given_up(tmp_path):
    kept = {name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "HF_ENDPOINT")}
    done = subprocess.run(
        [sys.executable, "-c", SILENT_HUB],
        env={**kept, "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert "'someone/some-model'" in done.stdout, done.stderr
    assert "Timeout" in done.stdout


@pytest.mark.parametrize("kind", ["pipe", "index", "words"])
def test_weights_that_are_no_files_of_the_folder_are_refused_without_waiting_for_them(folder, kind):
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    weights = folder / "model.safetensors"
    if kind == "pipe":
        os.mkfifo(weights)
    else:
        weights.write_bytes(b"x")
        content = {"weight_map": {"a": "../../secret.safetensors"}} if kind == "index" else []
        (folder / "model.safetensors.index.json").write_text(json.dumps(content))
    reasons = {"pipe": "a pipe or a device", "index": "has an index that names '../../secret", "words": "the weights"}
    with pytest.raises(EncoderError, match=reasons[kind]):
        load_image_encoder(str(folder))
