"""Rows to look at: picture, text, truth and answers, with what a diagnosis drew over them."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

BUDGET = 5_000_000
"""Most characters that pictures may take of the page."""
KINDS = {
    "needs both": ("Needs both", "Right with both modalities, wrong with either alone."),
    "wrong with both": ("Wrong even with both", "The surest mistakes: least probability on the truth."),
    "missing image": ("No picture", "Rows that come without one."),
    "missing text": ("No text", "Rows that come without one."),
}
"""Kind to its heading and its meaning."""


@dataclass(frozen=True)
class Answer:
    """What was answered, and with what in sight."""

    sight: str
    text: str
    right: bool


@dataclass(frozen=True)
class Card:
    """One row."""

    id: str
    text: str | None
    label: str
    answers: list[Answer]
    pictures: dict[str, str] = field(default_factory=dict)
    """Caption to a data URI."""
    words: list[tuple[str, float]] = field(default_factory=list)
    """The text's tokens, each with its relevance, fraction 0 to 1."""


@dataclass(frozen=True)
class Shelf:
    """Rows of one kind."""

    key: str
    title: str
    meaning: str
    cards: list[Card]


def fill_shelves(examples: Sequence[Mapping[str, Any]], diagnoses: Sequence[Mapping[str, Any]]) -> list[Shelf]:
    """Sort the rows by kind; a diagnosis of the same design lends its drawings, as far as the budget goes."""
    left, shelves = BUDGET, []
    for kind, (title, meaning) in KINDS.items():
        cards = []
        for example in examples:
            if example["kind"] != kind:
                continue
            drawn = _find_drawn(example, diagnoses)
            card = _make_card(example, drawn)
            size = sum(len(uri) for uri in card.pictures.values())
            if size > left and drawn:
                card = _make_card(example, {})
                size = sum(len(uri) for uri in card.pictures.values())
            if size > left:
                card, size = Card(card.id, card.text, card.label, card.answers), 0
            left -= size
            cards.append(card)
        if cards:
            shelves.append(Shelf(kind.replace(" ", "-"), title, meaning, cards))
    return shelves


def _find_drawn(example: Mapping[str, Any], diagnoses: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    for diagnosis in diagnoses:
        drawn = (diagnosis.get("illustrations") or {}).get(str(example["row"]))
        if drawn and diagnosis.get("design") == example["design"]:
            return dict(drawn)
    return {}


def _make_card(example: Mapping[str, Any], drawn: Mapping[str, Any]) -> Card:
    label = example["label"]
    answers = [
        Answer(sight, example[column], example[column] == label)
        for sight, column in (
            ("both", "answer"),
            ("image alone", "image_answer"),
            ("text alone", "text_answer"),
        )
        if example.get(column) is not None
    ]
    pictures = {"picture": _uri(example["picture"])} if example.get("picture") else {}
    pictures |= {name: uri for name, uri in (drawn.get("pictures") or {}).items() if _is_picture(uri)}
    words = [(str(word), min(1.0, max(0.0, float(weight)))) for word, weight in drawn.get("words") or []]
    return Card(str(example["id"]), example["text"], label, answers, pictures, words)


def _uri(picture: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(picture).decode()


def _is_picture(uri: object) -> bool:
    return isinstance(uri, str) and uri.startswith("data:image/")
