"""Where a model looks, and whether its maps point at what its answers rest on: the words of the attention measure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from interfuse.core.diagnosis import Measure, Value
from interfuse.core.modalities import Modalities
from interfuse.evaluation.components import mean_interval
from interfuse.evaluation.intervals import Interval
from interfuse.evaluation.phrases import SMALL, interval_value, spell_interval, spell_points

QUERIES = "queries → image"
"""Name of attention whose queries are no tokens: latents, learned queries or a pooled text."""
TOKENS = {"image": "image tokens", "text": "words"}


@dataclass(frozen=True)
class DeletionGain:
    """How much better than a random order a map's order of deletion is, over rows."""

    area: float
    """Mean area under the answer's probability in the map's order, fraction 0 to 1."""
    random: float
    """The same in random order."""
    gain: Interval
    """random − area."""


def gain_by_deletion(
    area: Float[np.ndarray, " rows"], random: Float[np.ndarray, " rows"], groups: Int[np.ndarray, " rows"] | None = None
) -> DeletionGain:
    """Compare a map's deletion with random orders.

    Args:
        area: of each row, in the map's order.
        random: in random order.
        groups: rows of one group are one item of the interval.
    """
    gain = mean_interval((random - area).astype(np.float64)[None], groups).within(-1.0, 1.0)
    return DeletionGain(float(area.mean()), float(random.mean()), gain)


def say_attention(
    spread: Mapping[str, float], rows: int, attends: bool, deletions: Modalities[dict[str, DeletionGain]]
) -> Measure:
    """Return the measure of where the model looks, and of which maps point at what its answers rest on.

    Args:
        spread: effective keys / keys of each direction of attention; empty where there is no map.
        rows: how many there are.
        attends: whether the fusion attends at all.
        deletions: deletion of image tokens and of words, by the name of the map; empty for regression.
    """
    phrases = [f"{name} spreads over {100 * share:.0f} % of its tokens" for name, share in spread.items()]
    verdict = (
        f"Attention {' and '.join(phrases)}." if phrases else "The fusion does not attend: there is no map to draw."
    )
    if list(spread) == [QUERIES]:
        verdict += " Its queries are latents or the pooled text: there is no map between image and text tokens to draw."
    elif attends and not spread:
        verdict = (
            "The fusion attends, but only within a modality or through latents or bottlenecks: there is no map between "
            "image and text tokens to draw."
        )
    verdict += "".join(_say_deletions(TOKENS[name], gains) for name, gains in deletions.named())
    meaning = (
        "Effective number of tokens attended to (exp of the entropy) by their number, averaged over heads, layers and "
        "tokens: 100 % is a plain average, small is a sharp choice. Attention shows where the model looks; gradient × "
        "attention (Chefer et al. 2021) weighs that by the answer's gradient. Neither shows by itself what the answer "
        "rests on. Occlusion leaves out one token and takes the drop of the answer's log-odds; what two tokens say "
        "alike shows at neither. The deletion score tests every map: tokens are deleted in its order, and the area "
        "under the answer's probability is compared with that of random orders (Petsiuk et al. 2018)."
    )
    values = [Value(name, share, "share") for name, share in spread.items()]
    for name, gains in deletions.named():
        for of, one in gains.items():
            values.append(interval_value(f"deletion of {TOKENS[name]} by {of}, better than random", one.gain))
        if gains:
            values.append(Value(f"area in random order, {TOKENS[name]}", next(iter(gains.values())).random))
    return Measure("attention", "Where does it look?", verdict, meaning, tuple(values), rows)


def _say_deletions(tokens: str, gains: Mapping[str, DeletionGain]) -> str:
    """Return which maps are better than a random order, which are worse, and of which these rows cannot tell."""
    if not gains:
        return ""
    better = {name: one.gain for name, one in gains.items() if one.gain.low > 0 and one.gain.mean >= SMALL}
    worse = [name for name, one in gains.items() if one.gain.high < 0]
    open_ = [name for name in gains if name not in better and name not in worse]
    phrases = [
        f"by {name} takes off {spell_points(gain.mean)} points more probability than in random order "
        f"({spell_interval(gain)})"
        for name, gain in better.items()
    ]
    phrases += [f"by {name} takes off less than in random order" for name in worse]
    phrases += [f"by {name} is not shown to be better than in random order" for name in open_]
    return f" Deleting {tokens} {', '.join(phrases)}."
