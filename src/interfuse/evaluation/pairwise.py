"""Every design against every other on the same rows and seeds."""

import itertools
from collections.abc import Mapping

from interfuse.core.records import Contrast, finite
from interfuse.evaluation.contrasts import Rules
from interfuse.evaluation.design_scores import DesignScores
from interfuse.evaluation.holm import holm


def compare_pairs(scores: Mapping[str, DesignScores], rules: Rules) -> list[Contrast]:
    """Contrast each pair once, the earlier name minus the later one; Holm's family is all of these pairs.

    The verdicts do not rest on this family: they contrast with the baseline alone, which is fewer questions and so
    the sharper test.

    Args:
        scores: each design's scores by its name, all on the same rows and seeds.
        rules: that the study is judged by.
    """
    pairs = {pair: rules.contrast(scores[pair[0]], scores[pair[1]]) for pair in itertools.combinations(scores, 2)}
    p_values = holm([contrast.p for contrast in pairs.values()])
    return [
        Contrast(*pair, contrast.mean, finite(contrast.interval.low), finite(contrast.interval.high), p, contrast.beats)
        for (pair, contrast), p in zip(pairs.items(), p_values, strict=True)
    ]
