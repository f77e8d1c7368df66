"""NLVR from its pixels, with no encoder learnt elsewhere: what is left when neither photos nor fusion can be blamed?

    python benchmarks/nlvr_pixels.py rows.tsv [--epochs 15] [--seed 0]

`rows.tsv` has the columns image, sentence, label, group and split (train or test). A small convolutional network and a
recurrent one learn together: each of the three boxes of a picture alone, by FiLM blocks with 3×3 convolutions (Perez et
al. 2018); their order is drawn anew each time, as the published training set has all six. 15 % of the train groups are
held out for choosing the epoch.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import polars as pl
import torch
from PIL import Image
from torch import Tensor, nn

BOX, STARTS = 48, (0, 72, 144)  # of a picture that is 48 pixels high and 192 wide
WIDTH, TEXT, LONGEST, BATCH = 64, 128, 25, 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    torch.set_num_threads(1)
    draw = np.random.default_rng(given.seed)
    table = pl.read_csv(given.rows, separator="\t", quote_char=None, infer_schema=False)
    boxes = torch.from_numpy(np.stack([read_boxes(given.rows.parent / name) for name in table["image"]]))
    words, texts = read_texts(table["sentence"].to_list())
    labels = torch.from_numpy((table["label"].str.to_lowercase() == "true").to_numpy()).long()
    test = (table["split"] == "test").to_numpy()
    groups = table["group"].to_numpy()
    every = np.unique(groups[~test])
    held = np.isin(groups, draw.permutation(every)[: round(0.15 * len(every))]) & ~test
    parts = {"train": ~test & ~held, "validation": held, "test": test}
    rows = {name: torch.from_numpy(np.flatnonzero(chosen)) for name, chosen in parts.items()}
    network = Reader(words)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
    steps = len(rows["train"]) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps * given.epochs)
    best = (0.0, 0.0)
    for epoch in range(1, given.epochs + 1):
        network.train()
        order = rows["train"][torch.randperm(len(rows["train"]))]
        losses = []
        for chosen in order[: steps * BATCH].split(BATCH):
            mixed = boxes[chosen][torch.arange(BATCH)[:, None], torch.rand(BATCH, 3).argsort(1)]
            loss = nn.functional.cross_entropy(network(mixed, texts[chosen]), labels[chosen], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        scores = [score(network, boxes, texts, labels, rows[name]) for name in ("validation", "test")]
        best = max(best, (scores[0], scores[1]))
        told = ", ".join(f"{100 * value:.1f}" for value in scores)
        print(f"epoch {epoch}: loss {np.mean(losses):.4f}, validation and test {told}", flush=True)
    print(f"test at the best epoch on validation: {100 * best[1]:.1f}")


def read_boxes(path: Path) -> np.ndarray:
    """The three boxes (3, 3, 48, 48), pixels 0 to 255."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB").resize((STARTS[-1] + BOX, BOX), Image.Resampling.BOX))
    return np.stack([pixels[:, start : start + BOX].transpose(2, 0, 1) for start in STARTS])


def read_texts(sentences: list[str]) -> tuple[int, Tensor]:
    """How many words there are, and each sentence's numbers of words; 0 is no word."""
    known: dict[str, int] = {}
    texts = torch.zeros(len(sentences), LONGEST, dtype=torch.long)
    for row, sentence in enumerate(sentences):
        numbers = [known.setdefault(word, len(known) + 1) for word in re.findall(r"[a-z]+|\d", sentence.lower())]
        texts[row, : len(numbers[:LONGEST])] = torch.tensor(numbers[:LONGEST])
    return len(known) + 1, texts


class Film(nn.Module):
    """`x + ReLU((1 + γ) ⊙ norm(conv(x)) + β)`, γ and β from the text, after a map that sees where a pixel is."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Conv2d(WIDTH + 2, WIDTH, 1)
        self.conv, self.norm = nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.BatchNorm2d(WIDTH, affine=False)
        self.generate = nn.Linear(TEXT, 2 * WIDTH)

    def forward(self, map_: Tensor, text: Tensor, places: Tensor) -> Tensor:
        x = self.place(torch.cat([map_, places.expand(len(map_), -1, -1, -1)], 1)).relu()
        scale, shift = self.generate(text)[:, :, None, None].chunk(2, 1)
        return x + ((1 + scale) * self.norm(self.conv(x)) + shift).relu()


class Reader(nn.Module):
    """Sentence and boxes to two logits; the boxes are an unordered set."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.words, self.drop = nn.Embedding(words, 64, padding_idx=0), nn.Dropout(0.2)
        self.recurrent = nn.GRU(64, TEXT // 2, batch_first=True, bidirectional=True)
        sizes, strides = (3, 32, WIDTH, WIDTH), (2, 2, 1)
        self.see = nn.Sequential(
            *(
                layer
                for into, out, stride in zip(sizes, sizes[1:], strides, strict=False)
                for layer in (nn.Conv2d(into, out, 3, stride, 1), nn.BatchNorm2d(out), nn.ReLU())
            )
        )
        self.blocks = nn.ModuleList(Film() for _ in range(3))
        self.box = nn.Sequential(nn.Linear(2 * WIDTH + TEXT, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(3 * 128, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 2))

    def forward(self, boxes: Tensor, texts: Tensor) -> Tensor:
        states, _ = self.recurrent(self.drop(self.words(texts)))
        text = states.masked_fill((texts == 0)[..., None], -9.0).amax(1).repeat_interleave(3, 0)
        seen = self.see(boxes.flatten(0, 1).float() / 127.5 - 1)
        line = torch.linspace(-1, 1, seen.shape[-1])
        places = torch.stack(torch.meshgrid(line, line, indexing="ij"))[None]
        for block in self.blocks:
            seen = block(seen, text, places)
        each = self.box(torch.cat([seen.amax((2, 3)), seen.mean((2, 3)), text], 1)).unflatten(0, (-1, 3))
        logits: Tensor = self.head(torch.cat([each.sum(1), each.amax(1), each.amin(1)], 1))
        return logits


@torch.no_grad()
def score(network: Reader, boxes: Tensor, texts: Tensor, labels: Tensor, rows: Tensor) -> float:
    network.eval()
    right = [network(boxes[part], texts[part]).argmax(1) == labels[part] for part in rows.split(256)]
    return torch.cat(right).float().mean().item()


if __name__ == "__main__":
    main()
