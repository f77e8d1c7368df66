"""easy-VQA from its PyPI package: questions about one coloured shape, 13 answers."""

import polars as pl

from interfuse.core.errors import require

VALIDATION = 0.1
"""Share of the train rows that validation is carved from, by picture."""


def read_easy_vqa() -> pl.DataFrame:
    """Read all questions with columns id, image, text, label and split (the package's own train and test).

    No two of its 4,000 train and 1,000 test pictures have the same bytes, so its test pictures are all unseen; its test
    questions are not: all of them occur in train.

    Raises:
        ExtraMissingError: the package is not installed.

    Reference:
        https://pypi.org/project/easy-vqa (MIT).
    """
    package = require("easy_vqa", "demo")
    frames = []
    for split, questions, paths in (
        ("train", package.get_train_questions(), package.get_train_image_paths()),
        ("test", package.get_test_questions(), package.get_test_image_paths()),
    ):
        texts, answers, images = questions
        frames.append(
            pl.DataFrame(
                {
                    "id": [f"{split}-{number}" for number in range(len(texts))],
                    "image": [paths[image] for image in images],
                    "text": texts,
                    "label": answers,
                    "split": [split] * len(texts),
                }
            )
        )
    return pl.concat(frames)
