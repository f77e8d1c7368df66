"""Predict with a model that `interfuse export` wrote, without torch and without interfuse.

This file is copied beside the model as `predict.py`. It needs numpy and onnxruntime, and for a whole model pillow and
tokenizers:

    python predict.py photo.jpg "a red bicycle" [more pairs; - for a missing picture or text]
"""

import json
import os
import re
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Kinds of picture that are decoded; whatever the file is called; no other decoder is asked: some run programs."""
MAX_PIXELS = 64_000_000


class Model:
    """An exported model: pictures and texts in (whole), or tokens in (head); probabilities out."""

    def __init__(self, folder: str | Path, threads: int = 1, file: str | None = None) -> None:
        """Open the folder that `interfuse export` wrote; `file`: another model in it, such as model.int8.onnx."""
        self.folder = Path(folder)
        self.config: dict[str, Any] = json.loads((self.folder / "model.json").read_text(encoding="utf-8"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(
            str(self.folder / (file or self.config["file"])), options, providers=providers
        )
        self.label_names: list[str] = self.config["label_names"]
        if self.config["whole"]:
            from tokenizers import Tokenizer

            self.tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        if "bag" in self.config:
            self.vocabulary = json.loads((self.folder / "vocabulary.json").read_text(encoding="utf-8"))

    def predict(self, pictures: Sequence[Any], texts: Sequence[str | None], batch: int = 32) -> np.ndarray:
        """Return the probabilities, (rows, classes), of a whole model, or of one that reads texts by TF-IDF alone.

        Args:
            pictures: a path or a PIL image each; None: missing.
            texts: one for each picture; None: missing.
            batch: rows that are computed, and whose pictures are held, at once; a picture is encoded once in each.
        """
        if len(pictures) != len(texts):
            raise ValueError(f"Give a text (or None) for each picture, got {len(pictures)} and {len(texts)}.")
        starts = range(0, len(texts), batch)
        parts = [self._predict(pictures[at : at + batch], texts[at : at + batch]) for at in starts]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.label_names)), np.float32)

    def _predict(self, pictures: Sequence[Any], texts: Sequence[str | None]) -> np.ndarray:
        if "bag" in self.config:
            image = np.zeros((len(texts), 1, self.config["dims"][0]), np.float32)
            there = np.array([[not blank(text)] for text in texts])
            return self.predict_tokens(image, np.zeros((len(texts), 1), bool), self.bag(texts), there)
        distinct: dict[Any, int] = {}
        index = [-1 if p is None else distinct.setdefault(self._name(p), len(distinct)) for p in pictures]
        by_name = {self._name(picture): picture for picture in pictures if picture is not None}
        size = self.config["image"]["size"]
        pixels = [self.pixels(by_name[name]) for name in distinct]
        ids, mask = self.ids(texts)
        feed = {
            "pixels": np.stack(pixels) if pixels else np.zeros((1, 3, size, size), np.float32),
            "picture": np.array(index, np.int64),
            "ids": ids,
            "ids_mask": mask,
        }
        return np.asarray(self.session.run(None, feed)[0])

    def predict_tokens(
        self, image: np.ndarray, image_mask: np.ndarray, text: np.ndarray, text_mask: np.ndarray
    ) -> np.ndarray:
        """Return the probabilities, (rows, classes), of a head; True in a mask = a real token."""
        feed = {"image": image, "image_mask": image_mask, "text": text, "text_mask": text_mask}
        return np.asarray(self.session.run(None, feed)[0])

    def pixels(self, picture: Any) -> np.ndarray:
        """Open, resize and normalise one picture: (3, size, size)."""
        from PIL import Image

        facts = self.config["image"]
        whole = open_picture(picture) if isinstance(picture, str | Path) else to_rgb(picture)
        rgb = whole.resize((facts["size"], facts["size"]), Image.Resampling.BICUBIC)
        values = np.asarray(rgb, np.float32).transpose(2, 0, 1) * np.float32(facts["factor"])
        mean, std = (np.array(facts[name], np.float32).reshape(3, 1, 1) for name in ("mean", "std"))
        return np.asarray((values - mean) / std, np.float32)

    def ids(self, texts: Sequence[str | None]) -> tuple[np.ndarray, np.ndarray]:
        """Split texts into token numbers, padded to the longest: (rows, tokens), and their mask."""
        facts = self.config["text"]
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(facts["max_length"])
        rows = [[] if blank(text) else self.tokenizer.encode(text).ids or [facts["filler"]] for text in texts]
        ids = np.full((len(rows), max(1, *map(len, rows), 0)), facts["pad"], np.int64)
        mask = np.zeros(ids.shape, bool)
        for place, row in enumerate(rows):
            ids[place, : len(row)], mask[place, : len(row)] = row, True
        return ids, mask

    def bag(self, texts: Sequence[str | None]) -> np.ndarray:
        """Weigh the terms of texts as the training did, TF-IDF: (rows, 1, terms), a token for each text."""
        idf = np.array(self.vocabulary["idf"], np.float32)
        out, start = np.zeros((len(texts), 1, len(idf)), np.float32), 0
        for kind, pieces in (("words", words_of), ("characters", letters_of)):
            terms = {term: place for place, term in enumerate(self.vocabulary[kind])}
            part = out[:, 0, start : start + len(terms)]
            for row, text in enumerate(texts):
                for term in pieces((text or "").lower(), *self.config["bag"][kind]):
                    if term in terms:
                        part[row, terms[term]] += 1
            counted = part > 0
            part[counted] = 1 + np.log(part[counted])
            part *= idf[start : start + len(terms)]
            part /= np.maximum(np.linalg.norm(part, axis=1, keepdims=True), np.float32(1e-30))
            start += len(terms)
        return out

    @staticmethod
    def _name(picture: Any) -> Any:
        return str(picture) if isinstance(picture, str | Path) else id(picture)


def blank(text: str | None) -> bool:
    """Return whether a text is missing."""
    return text is None or not text.strip()


def open_picture(path: str | Path) -> Any:
    """Decode a picture file as in training: of the known kinds alone, whatever it is called, and within the limits."""
    from PIL import Image

    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError(f"{path} is no regular file.")
    with Image.open(path, formats=FORMATS) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise ValueError(f"{path} has {picture.width:,} × {picture.height:,} pixels, more than {MAX_PIXELS:,}.")
        return to_rgb(picture)


def words_of(text: str, least: int, most: int) -> list[str]:
    """List the words of a text, and its runs of words up to the longest."""
    words = re.findall(r"\b\w+\b", text)
    lengths = range(least, most + 1)
    return [" ".join(words[at : at + size]) for size in lengths for at in range(len(words) - size + 1)]


def letters_of(text: str, least: int, most: int) -> list[str]:
    """List the runs of letters of each word with a space on both sides; a word shorter than a run counts once."""
    pieces = []
    for word in (f" {word} " for word in text.split()):
        for size in range(least, most + 1):
            pieces += [word[at : at + size] for at in range(max(1, len(word) - size + 1))]
            if len(word) <= size:
                break
    return pieces


def to_rgb(picture: Any) -> Any:
    """Bring a picture to 8-bit RGB as in training: upright by EXIF, alpha on white, 16 bits scaled."""
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture) or picture
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        values = np.nan_to_num(np.asarray(picture).astype(np.float64))
        top = values.max() if values.size else 0.0
        narrow = 255.0 if picture.mode in ("I", "F") and top <= 255 else 65535.0
        white = 1.0 if picture.mode == "F" and top <= 1 else narrow
        picture = Image.fromarray(np.clip(values * (255.0 / white), 0, 255).round().astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layered.size, (255, 255, 255, 255)), layered).convert("RGB")
    return picture.convert("RGB")


def main(arguments: Sequence[str]) -> None:
    """Predict pairs of picture and text named on the command line, a line of JSON each."""
    inputs = [None if argument == "-" else argument for argument in arguments]
    if not inputs or len(inputs) % 2:
        raise SystemExit('usage: python predict.py PICTURE "TEXT" [PICTURE "TEXT" …]   (- for a missing one)')
    model = Model(Path(__file__).parent)
    if not model.config["whole"] and model.config.get("bag", {}).get("sees_image", True):
        raise SystemExit("This model takes tokens: call Model(folder).predict_tokens. Pairs need the whole model.")
    probs = model.predict(inputs[::2], inputs[1::2])
    for row in probs:
        answer = {name: round(float(prob), 6) for name, prob in zip(model.label_names, row, strict=True)}
        sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
