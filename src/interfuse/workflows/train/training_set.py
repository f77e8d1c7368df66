"""What the trainings of one study share: the rows, their folds, what was measured of the train tokens."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from interfuse.core.design import Design
from interfuse.data import Features
from interfuse.training import ModalitySpec, measure, pool_table, pools

Specs = tuple[ModalitySpec, ModalitySpec]


@dataclass(frozen=True)
class TrainingSet:
    """Rows ready for training, once with all tokens and once pooled, for each fold."""

    features: Features
    pooled: Features | None
    """The same rows over pooled tables; None where no design pools."""
    folds: tuple[Mapping[str, Tensor], ...]
    """Row numbers of train, validation and test, a mapping a fold; one fold where the split is single."""
    specs: Mapping[tuple[int, bool], Specs]
    """Measured on the train rows of a fold; second key: pooled."""

    def fold(self, design: Design, fold: int) -> tuple[Features, Specs]:
        """Return the features and the measurements that this design trains on in this fold."""
        pooled = pools(design)
        features = self.pooled if pooled else self.features
        assert features is not None
        return replace(features, splits=self.folds[fold]), self.specs[fold, pooled]


def make_training_set(
    features: Features, folds: tuple[Mapping[str, Tensor], ...], designs: list[Design]
) -> TrainingSet:
    """Pool the tables if a design pools, and measure the train tokens of each fold."""
    if not any(design.model == "tfidf" for design in designs):
        features = replace(features, texts=None)  # who does not read them need not carry them to other processes
    kinds = {pools(design) for design in designs}
    pooled = None
    if True in kinds:
        pooled = replace(features, image=pool_table(features.image), text=pool_table(features.text))
    specs: dict[tuple[int, bool], Specs] = {}
    for fold, split in enumerate(folds):
        rows = split["train"]
        for kind in kinds:
            source = pooled if kind and pooled is not None else features
            image = measure(source.image, source.image_items[rows])
            text = measure(source.text, source.text_items[rows])
            specs[fold, kind] = (image, text)
    return TrainingSet(features, pooled, folds, specs)
