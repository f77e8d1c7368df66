"""The promises of a fusion module, each a function that lists how it is broken."""

from interfuse.doctor.promises.export import exports_with_dynamic_axes
from interfuse.doctor.promises.gradients import (
    OneKeySoftmax,
    depends_on_both,
    gives_every_parameter_a_gradient,
    lets_gradients_reach_both_inputs,
)
from interfuse.doctor.promises.isolation import is_deterministic_in_eval, lets_each_sample_stand_alone, repeats
from interfuse.doctor.promises.padding import (
    hides_poison_under_the_mask,
    hides_values_under_the_mask,
    ignores_wider_padding,
    survives_a_missing_modality,
)
from interfuse.doctor.promises.shapes import (
    keeps_its_dtype,
    keeps_its_shape,
    stays_near_in_autocast,
    takes_unequal_lengths,
)
from interfuse.doctor.promises.state import (
    makes_its_layers_at_once,
    registers_every_parameter,
    survives_saving_and_loading,
)

__all__ = [
    "OneKeySoftmax",
    "depends_on_both",
    "exports_with_dynamic_axes",
    "gives_every_parameter_a_gradient",
    "hides_poison_under_the_mask",
    "hides_values_under_the_mask",
    "ignores_wider_padding",
    "is_deterministic_in_eval",
    "keeps_its_dtype",
    "keeps_its_shape",
    "lets_each_sample_stand_alone",
    "lets_gradients_reach_both_inputs",
    "makes_its_layers_at_once",
    "registers_every_parameter",
    "repeats",
    "stays_near_in_autocast",
    "survives_a_missing_modality",
    "survives_saving_and_loading",
    "takes_unequal_lengths",
]
