"""Pictures and captions a second in float32 and bfloat16, in turns, and how far the tokens move.

python benchmarks/encoder_speed.py [--threads 2]

ResNet-50 and BERT-base have their true layers and random weights: no hub is needed. Their rates hold for the true ones;
the cosine similarities of these two need not.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch
from transformers import BertConfig, BertModel, BertTokenizerFast, ConvNextImageProcessorPil, ResNetConfig, ResNetModel

from interfuse.encoders import load_image_encoder, load_text_encoder

SENTENCE = "a dog runs across the green field after a red ball"


def in_turns(runs, repeats: int = 5) -> dict[str, float]:
    """Seconds of each, the fastest of some rounds that alternate: other work on the machine then hits all alike."""
    times = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return {name: min(found[1:]) for name, found in times.items()}


def make_resnet(folder: Path) -> str:
    torch.manual_seed(0)
    ResNetModel(ResNetConfig()).save_pretrained(folder)
    ConvNextImageProcessorPil(size={"shortest_edge": 224}).save_pretrained(folder)
    return str(folder)


def make_bert(folder: Path) -> str:
    torch.manual_seed(0)
    BertModel(BertConfig(), add_pooling_layer=False).save_pretrained(folder)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(SENTENCE.split()))]
    BertTokenizerFast(vocab={word: number for number, word in enumerate(words)}).save_pretrained(folder)
    return str(folder)


def measure_pictures(name: str, told: str, size: int, count: int = 32) -> None:
    pictures = torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pair = {d: load_image_encoder(name, image_size=size, dtype=d) for d in ("float32", "bfloat16")}
    seconds = in_turns({d: lambda e=e: e.encode(pictures) for d, e in pair.items()})
    report(f"{told} {size} px", count, seconds, *(e.encode(pictures) for e in pair.values()))


def measure_texts(name: str, told: str, count: int = 64) -> None:
    pair = {d: load_text_encoder(name, dtype=d) for d in ("float32", "bfloat16")}
    ids = pair["float32"].prepare([SENTENCE] * count).ids
    seconds = in_turns({d: lambda e=e: e.encode(ids) for d, e in pair.items()})
    report(f"{told}, {len(ids[0])} tokens", count, seconds, *(e.encode(ids).tokens for e in pair.values()))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    print(f"{threads} threads, torch {torch.__version__}; the fastest of 5 rounds in turns")
    for size in (96, 160, 224):
        measure_pictures("efficientnet-lite0", "efficientnet-lite0", size)
    measure_texts("minilm", "minilm")
    with tempfile.TemporaryDirectory() as scratch:
        measure_pictures(make_resnet(Path(scratch) / "resnet"), "ResNet-50", 224, 16)
        measure_texts(make_bert(Path(scratch) / "bert"), "BERT-base")


def report(name: str, count: int, seconds: dict[str, float], plain: torch.Tensor, short: torch.Tensor) -> None:
    near = torch.nn.functional.cosine_similarity(plain, short, dim=-1).mean()
    print(
        f"{name}: float32 {count / seconds['float32']:.0f}/s, bfloat16 {count / seconds['bfloat16']:.0f}/s "
        f"(ratio {seconds['float32'] / seconds['bfloat16']:.2f}), cosine {near:.5f}"
    )


if __name__ == "__main__":
    main()
