"""The headline of a diagnosis: one sentence on what a model's score rests on."""

from collections.abc import Mapping

from interfuse.evaluation.decomposition import EstimatedDecomposition
from interfuse.evaluation.emap import Emap
from interfuse.evaluation.findings import name_parts
from interfuse.evaluation.intervals import Interval
from interfuse.evaluation.permutation import Permutation
from interfuse.evaluation.phrases import IDLE, needed, spared, spell_interval, spell_points


def say_diagnosis(emap: Emap, permutation: Permutation, metric: str) -> str:
    """Return one sentence on what the model's score rests on: its two modalities, and their interaction."""
    image, text = needed(permutation.image.drop), needed(permutation.text.drop)
    losses = f"permuting the image costs {spell_points(permutation.image.drop.mean)} points of {metric}, the text "
    losses += f"{spell_points(permutation.text.drop.mean)}"
    if image and text and needed(emap.delta):
        cost = spell_points(emap.delta.mean)
        return f"Multimodal: this model rests on both modalities and their interaction ({losses}; EMAP costs {cost})."
    if image and text and (spared(emap.delta) or emap.interaction_share <= IDLE):
        return (
            f"Both modalities, no need of interaction: {losses}, but adding up what each says is as good here "
            f"(EMAP Δ {spell_points(emap.delta.mean)}). Not needed does not mean not used."
        )
    if image and text:
        return (
            f"Both modalities count ({losses}); whether their interaction does, these rows cannot tell "
            f"(EMAP Δ {spell_points(emap.delta.mean)}, {spell_interval(emap.delta)})."
        )
    if not image and not text:
        return f"Neither modality is shown to help on these rows ({losses})."
    one, other = ("image", "text") if image else ("text", "image")
    return (
        f"Unimodal in effect: this model rests on the {one}; the {other} is not shown to help on these rows ({losses})."
    )


def say_spared(permutation: Permutation, absent: Mapping[str, Interval]) -> str:
    """Return a sentence on the modality of which another row's content costs points, but not its absence; else nothing.

    Args:
        permutation: what another row's content costs.
        absent: what is lost with each modality absent altogether, of a run that was trained on such rows.
    """
    free = [name for name in absent if needed(getattr(permutation, name).drop) and spared(absent[name])]
    losses = [
        f"without any {name} {spell_points(abs(loss))} points are {'lost' if loss >= 0 else 'won'}"
        for name, loss in ((name, absent[name].mean) for name in free)
    ]
    if not free:
        return ""
    enough = "either alone is enough" if len(free) == 2 else f"the {free[0]} is not needed"
    return f" Yet {enough}: {' and '.join(losses)}; it is another row's {' or '.join(free)} that misleads."


def say_contradiction(headline: str, estimate: EstimatedDecomposition, answers: float, chance: float) -> str:
    """Return a sentence on a decomposition that does not agree with the headline; else nothing.

    That is where more than half is told by either alone, or by one alone of a model that is said to rest on both and
    their interaction. A decomposition that names no part contradicts nothing.

    Args:
        headline: of the diagnosis.
        estimate: the decomposition of the cells.
        answers: what the model's own answers tell of the label, bits.
        chance: what they tell of permuted labels.
    """
    value, parts = estimate.value, name_parts(estimate.value)
    largest = max(parts, key=parts.__getitem__)
    lost = answers > 2 * chance and value.total < answers / 2
    if estimate.advice is not None or lost or value.total <= 2 * estimate.null.total:
        return ""
    alone = largest == "told by either alone" or (largest.endswith("only") and headline.startswith("Multimodal"))
    if not alone or parts[largest] < value.total / 2:
        return ""
    return (
        f" The information decomposition says otherwise: of the {value.total:.2f} bit about the label "
        f"{parts[largest]:.2f} is {largest}."
    )
