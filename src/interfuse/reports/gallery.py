"""Rows to look at: picture, text, truth and answers, with what a diagnosis drew over them."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from interfuse.reports.maps import Maps, read_maps
from interfuse.reports.overlay import read_words

BUDGET = 5_000_000
"""Most characters that pictures may take of the page."""
SHELVES = {
    "needs both": ("Needs both", "Right with both modalities, wrong with either alone."),
    "wrong with both": ("Wrong even with both", "The surest mistakes: least probability on the truth."),
    "missing image": ("No picture", "Rows that come without one."),
    "missing text": ("No text", "Rows that come without one."),
}
"""Kind to its heading and its meaning."""
NUMBER_SHELVES = {
    "needs both": ("Needs both", "Near with both modalities, far off with either alone."),
    "wrong with both": ("Far off even with both", "The largest errors."),
}
"""The same where the truth is a number."""
MARKS = ("[CLS]", "[SEP]", "[PAD]", "<s>", "</s>", "<pad>", "<|endoftext|>", "<|startoftext|>")
"""What a tokenizer adds of its own."""


@dataclass(frozen=True)
class Answer:
    """What was answered, and with what in sight."""

    sight: str
    text: str
    right: bool | None
    """None for a number, which is near or far but not right or wrong."""


@dataclass(frozen=True)
class GalleryRow:
    """One row."""

    id: str
    text: str | None
    label: str
    answers: list[Answer]
    pictures: dict[str, str] = field(default_factory=dict)
    """Caption to a data URI."""
    words: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    """Caption to the text's words, each with its share of the map's strongest, fraction 0 to 1."""
    maps: Maps = field(default_factory=Maps)
    """Attention word by word and region by region."""
    heat_design: str | None = None
    """The design whose heat lies over picture and words."""


@dataclass(frozen=True)
class Shelf:
    """Rows of one kind."""

    key: str
    title: str
    meaning: str
    rows: list[GalleryRow]


def fill_shelves(
    examples: Sequence[Mapping[str, Any]], diagnoses: Sequence[Mapping[str, Any]], numbers: bool = False
) -> list[Shelf]:
    """Sort the rows by kind; a diagnosis lends its drawings, as far as the budget goes.

    Args:
        examples: rows of `examples.parquet`.
        diagnoses: of the study's runs.
        numbers: whether the truth is a number.
    """
    budget, shelves = BUDGET, []
    for kind, (title, meaning) in {**SHELVES, **(NUMBER_SHELVES if numbers else {})}.items():
        rows = []
        for example in examples:
            if example["kind"] != kind:
                continue
            illustration = _find_illustration(example, diagnoses)
            shelf_row = _make_row(example, illustration, numbers)
            size = sum(len(uri) for uri in shelf_row.pictures.values())
            if size > budget and illustration:
                shelf_row = _make_row(example, {}, numbers)
                size = sum(len(uri) for uri in shelf_row.pictures.values())
            if size > budget:
                shelf_row, size = GalleryRow(shelf_row.id, shelf_row.text, shelf_row.label, shelf_row.answers), 0
            budget -= size
            rows.append(shelf_row)
        if rows or (examples and kind == "needs both"):
            shelves.append(Shelf(kind.replace(" ", "-"), title, meaning, rows))
    return shelves


def group_pieces(pieces: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Join the pieces that a tokenizer made of a word, with the place of each; its own marks are left out.

    >>> group_pieces(["[CLS]", "lip", "##stick", "red", "[SEP]"])
    [('lipstick', [1, 2]), ('red', [3])]
    """
    words: list[tuple[str, list[int]]] = []
    for place, piece in enumerate(pieces):
        if piece in MARKS:
            continue
        if piece.startswith("##") and words:
            before, places = words.pop()
            words.append((before + piece[2:], [*places, place]))
        else:
            words.append((piece.removeprefix("▁").removeprefix("Ġ"), [place]))
    return words


def join_pieces(pieces: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Join the pieces that a tokenizer made of a word, with the largest weight among them; its own marks are left out.

    >>> join_pieces([("[CLS]", 0.9), ("lip", 0.2), ("##stick", 0.6), ("red", 0.1), ("[SEP]", 0.3)])
    [('lipstick', 0.6), ('red', 0.1)]
    """
    weights = [weight for _, weight in pieces]
    grouped = group_pieces([piece for piece, _ in pieces])
    return [(word, max(weights[place] for place in places)) for word, places in grouped]


def _find_illustration(example: Mapping[str, Any], diagnoses: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Find what was drawn of a row: by a diagnosis of its design, else by one of another design."""
    illustrations = {d.get("design"): (d.get("illustrations") or {}).get(str(example["row"])) for d in diagnoses}
    pictured = {name: one for name, one in illustrations.items() if one and len(one.get("pictures") or {}) > 1}
    if not pictured:
        return {}
    design = example["design"] if example["design"] in pictured else next(iter(pictured))
    return {**pictured[design], "design": design}


def _make_row(example: Mapping[str, Any], illustration: Mapping[str, Any], numbers: bool) -> GalleryRow:
    label = example["label"]
    sights = (("both", "answer"), ("image alone", "image_answer"), ("text alone", "text_answer"))
    answers = [
        Answer(sight, example[column], None if numbers else example[column] == label)
        for sight, column in sights
        if example.get(column) is not None
    ]
    pictures = {"picture": _uri(example["picture"])} if example.get("picture") else {}
    pictures |= {name: uri for name, uri in (illustration.get("pictures") or {}).items() if _is_picture(uri)}
    words = {name: join_pieces(pieces) for name, pieces in read_words(illustration.get("words") or {}).items()}
    own = str(example["id"]), example["text"], label, answers, pictures
    return GalleryRow(*own, words, read_maps(illustration.get("maps")), illustration.get("design"))


def _uri(picture: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(picture).decode()


def _is_picture(uri: object) -> bool:
    return isinstance(uri, str) and uri.startswith("data:image/")
