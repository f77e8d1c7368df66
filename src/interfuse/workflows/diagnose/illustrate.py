"""Pictures of a diagnosis: attention, its gradient and occlusion, drawn over the picture and its words."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from interfuse.core.errors import DataError, InterfuseError
from interfuse.core.tokens import Tokens
from interfuse.data import Examples, Features, open_picture
from interfuse.encoders import load_text_encoder
from interfuse.explain import AttentionMaps, token_maps
from interfuse.reports import Illustration, Maps, draw_heat, group_pieces, map_words, picture_uri
from interfuse.training import Run
from interfuse.workflows.diagnose.measures import answer_classes


def illustrate(run: Run, features: Features, examples: Examples | None, rows: Tensor) -> dict[int, Illustration]:
    """Draw these rows; the key is the row's number in the source. Made-up rows have no picture to draw on."""
    if examples is None or len(rows) == 0:
        return {}
    device = next(run.network.parameters()).device
    image, text = (
        Tokens(*(part.to(device) for part in table.gather(items[rows])))
        for table, items in zip(features.tables, features.items, strict=True)
    )
    maps = token_maps(run.network, image, text, answer_classes(run.network, image, text), features.task)
    texts = [examples.table["text"][row].as_py() for row in rows.tolist()]
    words = _words(run, texts)
    captions = maps.captions()
    illustrations = {}
    for number, row in enumerate(rows.tolist()):
        path = examples.table["image"][row].as_py()
        over_image, over_text = (
            {captions.of(of)[name][number]: part[number].float().cpu().numpy() for name, part in weights.items()}
            for of, weights in maps.weights.named()
        )
        pictures, ratio = _draw(path, over_image, features.image.grid) if path else ({}, 1.0)
        drawn = words is not None and pictures
        illustrations[int(features.rows[row])] = Illustration(
            pictures=pictures,
            words=_weigh_each(words[number], over_text) if words else {},
            maps=_map(words[number], maps.attention, number, features.image.grid, ratio) if words and drawn else Maps(),
        )
    return illustrations


def _map(words: list[str], maps: AttentionMaps, row: int, grid: tuple[int, int] | None, ratio: float) -> Maps:
    """Map the attention of one row between its words and its picture; none where words and tokens do not match."""
    to_image, to_text = (
        None if part is None else part[row].float().cpu().numpy() for part in (maps.text_to_image, maps.image_to_text)
    )
    tokens = max(0 if to_image is None else len(to_image), 0 if to_text is None else to_text.shape[1])
    if grid is None or len(words) > tokens:
        return Maps()
    return map_words(group_pieces(words), to_image, to_text, grid, ratio)


def _draw(path: str, heats: dict[str, np.ndarray], grid: tuple[int, int] | None) -> tuple[dict[str, str], float]:
    """Draw the picture alone and under each heat, as data URIs, and return its width over its height too.

    None are drawn where it cannot be opened.
    """
    try:
        picture = open_picture(path)
    except (DataError, OSError):
        return {}, 1.0
    pictures = {"picture": picture_uri(picture)}
    for name, heat in heats.items():
        if grid is not None and len(heat) == grid[0] * grid[1]:
            pictures[name] = picture_uri(draw_heat(picture, heat.reshape(grid)))
    return pictures, picture.width / picture.height


def _words(run: Run, texts: list[str | None]) -> list[list[str]] | None:
    """Split texts as the encoder does; None where it does not tell its words."""
    try:
        encoder = load_text_encoder(run.design.text_encoder)
    except InterfuseError:
        return None
    tokenizer = getattr(encoder, "tokenizer", None)
    if tokenizer is None:
        return None
    ids = encoder.prepare([text or "" for text in texts]).ids
    return [[str(word) for word in tokenizer.convert_ids_to_tokens(row)] for row in ids]


def _weigh_each(words: list[str], maps: Mapping[str, np.ndarray]) -> dict[str, list[tuple[str, float]]]:
    weighed = {name: _weigh(words, weights) for name, weights in maps.items()}
    return {name: pieces for name, pieces in weighed.items() if pieces}


def _weigh(words: list[str], weights: np.ndarray) -> list[tuple[str, float]]:
    """Return each word its share of the largest weight, 0 to 1; none where words and tokens do not match."""
    if len(words) > len(weights):
        return []
    largest = max(float(np.max(weights)), 1e-12)
    return [(word, float(np.clip(weight / largest, 0, 1))) for word, weight in zip(words, weights, strict=False)]
