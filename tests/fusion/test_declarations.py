"""What a mechanism says of itself is true; training knows nothing else of it."""

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from interfuse.core.tokens import Tokens
from interfuse.fusion import FUSIONS, FusionMechanism, list_fusions
from interfuse.nn import ValueGate
from tests.fusion.inputs import FUSED_DIM, build, make_inputs

every_mechanism = pytest.mark.parametrize("name", list_fusions())


def deep(name: str) -> FusionMechanism:
    """A mechanism with two layers in every stack."""
    known = FUSIONS.entry(name).config.__dataclass_fields__
    return build(name, **{layers: 2 for layers in ("num_layers", "self_layers") if layers in known})


class Sigmoids(TorchFunctionMode):
    """Collects the storage of all that enters a sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.entered: set[int] = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") in ("sigmoid", "glu"):
            self.entered.add(args[0].untyped_storage().data_ptr())
        return func(*args, **(kwargs or {}))


@every_mechanism
def test_its_gates_are_the_linear_maps_whose_output_enters_a_sigmoid(name):
    fuse, outputs = deep(name), {}
    linear = {own: module for own, module in fuse.named_modules() if isinstance(module, nn.Linear)}
    for own, module in linear.items():
        module.register_forward_hook(lambda _, __, output, own=own: outputs.update({own: output}))
    with Sigmoids() as sigmoids:
        fuse(*make_inputs())
    entering = {own for own, output in outputs.items() if output.untyped_storage().data_ptr() in sigmoids.entered}
    named = {own for own in linear if own.rpartition(".")[2] in fuse.gates}
    assert named | {own for own, module in linear.items() if isinstance(module, ValueGate)} == entering
    assert set(fuse.gates) == {own.rpartition(".")[2] for own in named}


@every_mechanism
def test_its_stacks_are_the_lists_whose_modules_run_one_after_the_other(name):
    fuse, outputs = deep(name), {}
    lists = {own: m for own, m in fuse.named_modules() if isinstance(m, nn.ModuleList) and len(m) > 1}
    for own, modules in lists.items():
        modules[1].register_forward_hook(lambda _, __, output, own=own: outputs.update({own: tree_leaves(output)}))
    fuse(*make_inputs())
    found = set()
    for own, modules in lists.items():
        total = sum(leaf.sum() for leaf in outputs[own] if leaf.is_floating_point())
        grads = torch.autograd.grad(total, [*modules[0].parameters()], retain_graph=True, allow_unused=True)
        if any(grad is not None for grad in grads):
            found.add(own.rpartition(".")[2])
    assert set(fuse.stacks) == found


@every_mechanism
def test_it_has_towers_where_its_vectors_of_either_modality_depend_on_its_parameters(name):
    fuse, (image, text, image_mask, text_mask) = build(name), make_inputs()
    vectors = fuse.towers(Tokens(image, image_mask), Tokens(text, text_mask))
    assert {vector.requires_grad for vector in vectors} == {fuse.has_towers}


@every_mechanism
def test_it_names_the_ends_of_its_own_predictions_where_it_gives_logits(name):
    fuse = build(name)
    assert bool(fuse.tails()) == fuse.gives_logits
    for tail in fuse.tails():
        last = [module for module in tail.modules() if isinstance(module, nn.Linear)][-1]
        assert last.out_features == FUSED_DIM


@every_mechanism
def test_a_prior_is_taken_in_by_what_holds_one(name):
    fuse = build(name)
    before = {own: value.clone() for own, value in fuse.state_dict().items()}
    fuse.fit_prior(torch.arange(1, FUSED_DIM + 1), 100)
    changed = {own for own, value in fuse.state_dict().items() if not value.equal(before[own])}
    assert changed == ({"prior"} if "prior" in before else set())


@every_mechanism
def test_its_gates_that_start_at_zero_are_closed_until_they_move(name):
    fuse = build(name)
    closed = fuse.closed_gates()
    assert {own.rpartition(".")[2] for own in closed} == set(fuse.zero_gates)
    for own in closed:
        nn.init.ones_(fuse.get_parameter(own))
    assert fuse.closed_gates() == []
