"""Answer single questions with a run that stays loaded: probabilities, which modality decided, what words looked at."""

import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from interfuse.core.errors import ConfigError, DataError
from interfuse.core.outside import open_regular_file
from interfuse.core.tokens import Tokens
from interfuse.data import FORMATS, MAX_PIXELS, PictureError
from interfuse.evaluation import share
from interfuse.explain import attention_maps
from interfuse.fusion import OneKeyAttentionWarning
from interfuse.store import as_stored
from interfuse.training import Run, to_probs
from interfuse.workflows.encode import open_tower
from interfuse.workflows.predict import same_encoders
from interfuse.workflows.source import encoders_of

PREVIEW = 1024
"""Longer side, in pixels, of the picture that an answer shows."""


@dataclass(frozen=True)
class Limits:
    """What is refused before it is decoded or read."""

    max_bytes: int = 20_000_000
    """Largest picture file."""
    max_pixels: int = MAX_PIXELS
    """Largest picture, in pixels; training's own limit at most."""
    max_characters: int = 10_000
    """Longest text."""

    def __post_init__(self) -> None:
        """Refuse limits that cannot be kept."""
        if not 0 < self.max_pixels <= MAX_PIXELS:
            raise ConfigError(f"max_pixels is from 1 to {MAX_PIXELS:,}, got {self.max_pixels:,}.")
        if self.max_bytes < 1 or self.max_characters < 1:
            raise ConfigError(f"Limits are 1 or more, got {self.max_bytes} bytes, {self.max_characters} characters.")


@dataclass(frozen=True)
class Answer:
    """What is said of one picture and text; with `error`, nothing else is."""

    error: str | None = None
    probs: Mapping[str, float] = field(default_factory=dict)
    """Class to probability; for regression the number under the target's name."""
    label: str = ""
    """The class that the parts below are of."""
    image_part: float = 0.0
    """Shapley value of the picture: its part of the label's probability above what neither modality gives."""
    text_part: float = 0.0
    decided: str = ""
    """image, text, both or neither."""
    words: tuple[tuple[str, np.ndarray], ...] = ()
    """Each word with its attention over the picture's grid."""
    picture: Image.Image | None = None
    """The picture as it was read, its longer side `PREVIEW` pixels at most."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Question:
    """One question, opened; or why it cannot be."""

    picture: Image.Image | None = None
    """What is shown of it: the whole picture was dropped when its pixels were taken."""
    pixels: Tensor | None = None
    """(3, height, width), as the encoder takes them."""
    text: str | None = None
    error: str | None = None


class Responder:
    """Encoders and network, loaded once; answers batches, one at a time."""

    def __init__(self, run: Run, limits: Limits | None = None) -> None:
        """Load the run's encoders.

        Raises:
            DataError: the run has no encoders, or those here are not those it was trained with.
        """
        encoders, signatures = run.info["encoder_settings"], run.info["encoders"]
        if encoders["image_encoder"] == "known":
            raise DataError("A run on a known-answer task has no encoders, so that no picture can be given to it.")
        settings = encoders_of(run.info)
        towers = {
            modality: open_tower(
                modality,
                settings,
                run.finetuned.get(modality),
                run.projections.get(modality),
                signatures[modality]["dtype"],
            )
            for modality in ("image", "text")
        }
        same_encoders(run, {modality: tower.signature for modality, tower in towers.items()})
        self.image, self.text = towers["image"], towers["text"]
        self.run, self.limits = run, limits or Limits()
        self._lock, self._decoding = threading.Lock(), threading.Lock()

    def answer(self, questions: Sequence[tuple[str | Path | None, str | None]]) -> list[Answer]:
        """Answer each picture and text, either of which may be missing; a bad one spoils no other.

        Args:
            questions: path of a picture or None, text or None; blank text is None.
        """
        inputs = [self._read(picture, text) for picture, text in questions]
        good = [one for one in inputs if one.error is None]
        with self._lock, torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", OneKeyAttentionWarning
            )  # an absent modality is one token, and that is meant
            answers = iter(self._compute(good) if good else [])
        return [Answer(error=one.error) if one.error is not None else next(answers) for one in inputs]

    def _read(self, picture: str | Path | None, text: str | None) -> _Question:
        text = text if text and text.strip() else None
        if picture is None and text is None:
            return _Question(error="Give a picture, a text, or both.")
        if text is not None and len(text) > self.limits.max_characters:
            return _Question(
                error=f"The text has {len(text):,} characters; at most {self.limits.max_characters:,} are read."
            )
        if picture is None:
            return _Question(text=text)
        try:
            with self._decoding:  # whole pictures are held one at a time, however many are asked about
                whole = self._open(Path(picture))
                pixels = self.image.encoder.prepare(whole)
                whole.thumbnail((PREVIEW, PREVIEW))
                return _Question(whole, pixels, text)
        except (DataError, OSError) as error:
            reason = str(error) if isinstance(error, DataError) else "the file cannot be read"
            return _Question(error=f"The picture was not taken: {reason}.")

    def _open(self, path: Path) -> Image.Image:
        """Open as training does, within tighter limits; what is no regular file is refused, never waited on."""
        with open_regular_file(path, self.limits.max_bytes) as file:
            self._check_header(file)
            file.seek(0)
            return self.image.open_picture(file)

    def _check_header(self, file: BufferedReader) -> None:
        try:
            with Image.open(file, formats=FORMATS) as header:
                width, height = header.size
        except Image.DecompressionBombError:
            raise PictureError(f"it is larger than the limit of {self.limits.max_pixels:,} pixels") from None
        except Exception as error:  # decoders raise anything on a broken header
            raise PictureError(f"it is no picture of the kinds {', '.join(FORMATS)}") from error
        if width * height > self.limits.max_pixels:
            raise PictureError(
                f"it has {width:,} × {height:,} pixels, more than the limit of {self.limits.max_pixels:,} pixels"
            )

    def _compute(self, questions: list[_Question]) -> list[Answer]:
        image, (text, ids, cut) = self._encode_images(questions), self._encode_texts(questions)
        network, task = self.run.network, self.run.task
        no_image, no_text = (Tokens(part.tokens, torch.zeros_like(part.mask)) for part in (image, text))
        states = [(image, text), (image, no_text), (no_image, text), (no_image, no_text)]
        probs = [to_probs(network(*state).logits.float(), task).numpy() for state in states]
        classes = probs[0].argmax(1)
        values = [each[np.arange(len(questions)), classes].astype(np.float64) for each in probs]
        image_part, text_part, _ = share(*values)
        attention = attention_maps(network, image, text).text_to_image
        answers = []
        for row, one in enumerate(questions):
            words: tuple[tuple[str, np.ndarray], ...] = ()
            if attention is not None and one.picture is not None and one.text is not None:
                words = self._words(ids[row], attention[row].numpy())
            answers.append(
                Answer(
                    probs={name: float(probs[0][row, i]) for i, name in enumerate(self.run.label_names)},
                    label=self.run.label_names[classes[row]],
                    image_part=float(image_part[row]),
                    text_part=float(text_part[row]),
                    decided=_name_decider(float(image_part[row]), float(text_part[row])),
                    words=words,
                    picture=one.picture,
                    notes=self._notes(one, attention is not None, cut[row]),
                )
            )
        return answers

    def _encode_images(self, questions: list[_Question]) -> Tokens:
        """Encode the pictures that are there; tokens are rounded as the store rounds them."""
        rows = [row for row, one in enumerate(questions) if one.picture is not None]
        if not rows:
            return Tokens(
                torch.zeros(len(questions), 1, self.image.encoder.dim), torch.zeros(len(questions), 1, dtype=torch.bool)
            )
        pixels = [one.pixels for one in questions if one.pixels is not None]
        values = as_stored(self.image.coding, self.image.encoder.encode(torch.stack(pixels)))
        tokens = torch.zeros(len(questions), *values.shape[1:])
        mask = torch.zeros(len(questions), values.shape[1], dtype=torch.bool)
        tokens[rows], mask[rows] = values, True
        return Tokens(tokens, mask)

    def _encode_texts(self, questions: list[_Question]) -> tuple[Tokens, list[list[int]], list[bool]]:
        rows = [row for row, one in enumerate(questions) if one.text is not None]
        ids: list[list[int]] = [[] for _ in questions]
        cut = [False] * len(questions)
        bag = self.run.network.bag
        if bag and rows:
            weights = torch.from_numpy(bag.weigh([one.text or "" for one in questions]).toarray())
            return Tokens(weights.unsqueeze(1), torch.tensor([[one.text is not None] for one in questions])), ids, cut
        if not rows:
            empty = Tokens(
                torch.zeros(len(questions), 1, bag.dim if bag else self.text.encoder.dim),
                torch.zeros(len(questions), 1, dtype=torch.bool),
            )
            return empty, ids, cut
        for row in rows:
            prepared = self.text.encoder.prepare([str(questions[row].text)])
            ids[row], cut[row] = prepared.ids[0], bool(prepared.cut)
        batch = self.text.encoder.encode([ids[row] for row in rows])
        tokens = torch.zeros(len(questions), *batch.tokens.shape[1:])
        mask = torch.zeros(len(questions), batch.mask.shape[1], dtype=torch.bool)
        tokens[rows], mask[rows] = as_stored(self.text.coding, batch.tokens), batch.mask
        return Tokens(tokens, mask), ids, cut

    def _words(self, ids: list[int], weights: np.ndarray) -> tuple[tuple[str, np.ndarray], ...]:
        """Join the pieces of a word and average their attention; special tokens are left out."""
        tokenizer, grid = getattr(self.text.encoder, "tokenizer", None), self.image.encoder.grid
        if tokenizer is None or grid is None or weights.shape[1] != grid[0] * grid[1] or len(ids) > len(weights):
            return ()
        words: list[tuple[str, list[np.ndarray]]] = []
        for place, piece in enumerate(tokenizer.convert_ids_to_tokens(ids)):
            if piece in tokenizer.all_special_tokens:
                continue
            if piece.startswith("##") and words:
                words[-1] = (words[-1][0] + piece[2:], [*words[-1][1], weights[place]])
            else:
                words.append((str(piece), [weights[place]]))
        return tuple((word, np.mean(parts, axis=0).reshape(grid)) for word, parts in words)

    def _notes(self, one: _Question, attends: bool, cut: bool) -> tuple[str, ...]:
        notes = []
        for modality, part in (("image", one.picture), ("text", one.text)):
            if part is None and not self.run.info["trained_on_missing"][modality]:
                notes.append(
                    f"This model never trained without {'a picture' if modality == 'image' else 'a text'}: "
                    "take these probabilities with care."
                )
        if cut:
            notes.append(f"The text is longer than {self.text.encoder.max_length} tokens and was cut there.")
        if not attends:
            notes.append(f"The fusion {self.run.design.fusion} has no attention from words to picture.")
        return tuple(notes)


def _name_decider(image: float, text: float) -> str:
    """Return the modality with more than twice the other's part, by size; else both."""
    sizes = abs(image), abs(text)
    if max(sizes) == 0:
        return "neither"
    if sizes[0] > 2 * sizes[1]:
        return "image"
    return "text" if sizes[1] > 2 * sizes[0] else "both"
