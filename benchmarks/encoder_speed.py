"""Pictures and captions a second in float32 and bfloat16, side by side, and how far the tokens move.

python benchmarks/encoder_speed.py [--threads 2]
"""

import argparse
import statistics
import time

import torch

from interfuse.encoders import load_image_encoder, load_text_encoder

SENTENCE = "a dog runs across the green field after a red ball"


def rates(run, repeats: int = 5) -> float:
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    print(f"{threads} threads, torch {torch.__version__}; medians of 5")
    for size in (96, 160, 224):
        pictures = torch.rand(32, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
        pair = {d: load_image_encoder(image_size=size, dtype=d) for d in ("float32", "bfloat16")}
        seconds = {d: rates(lambda e=e, pictures=pictures: e.encode(pictures)) for d, e in pair.items()}
        report(f"efficientnet-lite0 {size} px", 32, seconds, *(e.encode(pictures) for e in pair.values()))
    texts = {d: load_text_encoder(dtype=d) for d in ("float32", "bfloat16")}
    ids = texts["float32"].prepare([SENTENCE] * 64).ids
    seconds = {d: rates(lambda e=e: e.encode(ids)) for d, e in texts.items()}
    report("minilm, 13 tokens", 64, seconds, *(e.encode(ids).tokens for e in texts.values()))


def report(name: str, count: int, seconds: dict[str, float], plain: torch.Tensor, short: torch.Tensor) -> None:
    near = torch.nn.functional.cosine_similarity(plain, short, dim=-1).mean()
    print(
        f"{name}: float32 {count / seconds['float32']:.0f}/s, bfloat16 {count / seconds['bfloat16']:.0f}/s "
        f"(ratio {seconds['float32'] / seconds['bfloat16']:.2f}), cosine {near:.5f}"
    )


if __name__ == "__main__":
    main()
