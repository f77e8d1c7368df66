"""Late fusion against second witnesses: scipy, Bayes' rule on a table, Dempster's rule over sets, torch's Dirichlet."""

import itertools

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import torch
from torch.distributions import Dirichlet, kl_divergence
from torch.testing import assert_close

from interfuse.core.errors import ConfigError, ShapeError
from interfuse.core.tokens import Tokens
from interfuse.fusion import create_fusion
from interfuse.fusion.evidential import combine_evidence, evidential_loss
from tests.fusion.inputs import FUSED_DIM
from tests.fusion.test_witnesses_gated import LATE, ready

WIDTHS = {"image_dim": 6, "text_dim": 4}


def as_numpy(pair) -> np.ndarray:
    return torch.stack(pair).detach().numpy()


# What every late mechanism promises beyond the common ones


@pytest.mark.parametrize("name", LATE)
def test_the_vector_is_logits_and_the_heads_can_be_asked_one_by_one(name):
    fuse, inputs, image, text = ready(name)
    assert fuse.gives_logits
    seen, read = fuse.unimodal(image, text)
    assert seen.shape == read.shape == (3, FUSED_DIM)
    no_text = fuse(inputs.image, inputs.text, inputs.image_mask, inputs.text_mask & False).vector
    no_image = fuse(inputs.image, inputs.text, inputs.image_mask & False, inputs.text_mask).vector
    if name == "evidential":
        seen, read = (x.log() for x in fuse.opinions(image, text)[:2])
    assert_close(no_text.softmax(-1), seen.softmax(-1))  # one modality alone: its own head, exactly
    assert_close(no_image.softmax(-1), read.softmax(-1))


@pytest.mark.parametrize("name", LATE)
def test_with_both_missing_every_class_is_as_likely(name):
    fuse, inputs, _, _ = ready(name)
    vector = fuse(inputs.image, inputs.text, inputs.image_mask & False, inputs.text_mask & False).vector
    assert_close(vector.softmax(-1), torch.full_like(vector, 1 / FUSED_DIM))


@pytest.mark.parametrize(("name", "settings"), [(n, {}) for n in LATE] + [("evidential", {"evidence": "exp"})])
@pytest.mark.parametrize("size", [1e3, 1e15])
def test_enormous_logits_stay_finite_with_finite_gradients(name, settings, size):
    fuse = create_fusion(name, **WIDTHS, fused_dim=5, hidden=0, **settings)
    image = (torch.randn(4, 3, 6) * size).requires_grad_()
    text = (torch.randn(4, 3, 4) * -size).requires_grad_()
    vector = fuse(image, text).vector
    assert vector.isfinite().all()
    torch.autograd.backward(vector.sum())
    assert image.grad.isfinite().all()
    assert text.grad.isfinite().all()


@pytest.mark.parametrize("name", LATE)
def test_one_class_is_refused_with_what_to_use_instead(name):
    with pytest.raises(ConfigError, match=r"2 classes or more, got fused_dim=1.*link='sigmoid' for one label"):
        create_fusion(name, **WIDTHS, fused_dim=1)


@pytest.mark.parametrize("name", ["late_logit", "late_product"])
def test_a_regression_is_refused_where_there_is_nothing_to_multiply(name):
    with pytest.raises(ConfigError, match=r"link='identity' \(regression\) there are none.*Use late_mean"):
        create_fusion(name, **WIDTHS, fused_dim=1, link="identity")
    assert create_fusion("late_mean", **WIDTHS, fused_dim=1, link="identity")(
        torch.ones(2, 6), torch.ones(2, 4)
    ).vector.shape == (2, 1)


def test_an_unknown_link_is_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"Unknown value of late_mean: link: 'softmx'\. Did you mean 'softmax'"):
        create_fusion("late_mean", **WIDTHS, link="softmx")


# late_mean, late_logit


def test_late_mean_is_the_mean_of_probabilities_by_scipy():
    fuse, inputs, image, text = ready("late_mean")
    logits = as_numpy(fuse.unimodal(image, text))
    probs = scipy.special.softmax(logits, -1)
    vector = fuse(*inputs).vector
    assert_close(vector.softmax(-1), torch.from_numpy(probs.mean(0)))
    scores = scipy.special.logsumexp(scipy.special.log_softmax(logits, -1), axis=0, b=0.5)
    assert_close(vector, torch.from_numpy(scores))


def test_late_mean_of_many_labels_is_the_mean_of_scipy_expit_and_of_targets_the_mean():
    fuse, inputs, image, text = ready("late_mean", link="sigmoid")
    mean = scipy.special.expit(as_numpy(fuse.unimodal(image, text))).mean(0)
    assert_close(fuse(*inputs).vector, torch.from_numpy(scipy.special.logit(mean)))
    fuse, inputs, image, text = ready("late_mean", link="identity")
    assert_close(fuse(*inputs).vector, torch.from_numpy(as_numpy(fuse.unimodal(image, text)).mean(0)))


def test_late_logit_is_the_normalised_product_of_probabilities_by_scipy():
    fuse, inputs, image, text = ready("late_logit")
    product = scipy.special.softmax(as_numpy(fuse.unimodal(image, text)), -1).prod(0)
    assert_close(fuse(*inputs).vector.softmax(-1), torch.from_numpy(product / product.sum(-1, keepdims=True)))


# late_product


def test_late_product_is_bayes_rule_where_the_modalities_are_independent_given_the_class():
    draw = np.random.default_rng(0)
    prior = np.array([0.6, 0.3, 0.1])
    seen, read = draw.dirichlet(np.ones(4), 3), draw.dirichlet(np.ones(5), 3)  # p(image | y), p(text | y)
    joint = np.einsum("y,yi,yt->ity", prior, seen, read)
    posterior = joint / joint.sum(-1, keepdims=True)  # p(y | image, text), (4, 5, 3)
    by_image, by_text = joint.sum(1), joint.sum(0)
    fuse = create_fusion("late_product", image_dim=4, text_dim=5, fused_dim=3, hidden=0).double()
    with torch.no_grad():
        for head, table in ((fuse.image, by_image), (fuse.text, by_text)):  # a one-hot input picks its row
            head[0].weight.copy_(torch.from_numpy(np.log(table / table.sum(-1, keepdims=True)).T))
            head[0].bias.zero_()
    fuse.fit_prior(torch.tensor([600, 300, 100]), smoothing=0)
    image = torch.eye(4).double().repeat_interleave(5, 0)
    text = torch.eye(5).double().repeat(4, 1)
    assert_close(fuse(image, text).vector.softmax(-1), torch.from_numpy(posterior.reshape(20, 3)))
    nothing = torch.zeros(20, 1, dtype=torch.bool)
    alone = fuse(image[:, None], text[:, None], nothing, nothing).vector.softmax(-1)
    assert_close(alone, torch.from_numpy(prior).expand(20, 3))  # knowing nothing: the prior


def test_late_product_of_labels_is_bayes_rule_for_each_label():
    draw = np.random.default_rng(0)
    prior = 0.2
    seen, read = draw.dirichlet(np.ones(4), 2), draw.dirichlet(np.ones(5), 2)
    joint = np.einsum("y,yi,yt->ity", [1 - prior, prior], seen, read)
    posterior = (joint[..., 1] / joint.sum(-1)).reshape(20, 1)
    fuse = create_fusion("late_product", image_dim=4, text_dim=5, fused_dim=1, hidden=0, link="sigmoid").double()
    with torch.no_grad():
        for head, table in ((fuse.image, joint.sum(1)), (fuse.text, joint.sum(0))):
            head[0].weight.copy_(torch.from_numpy(scipy.special.logit(table[:, 1] / table.sum(-1)))[None])
            head[0].bias.zero_()
    fuse.fit_prior(torch.tensor([20]), rows=100, smoothing=0)
    image, text = torch.eye(4).double().repeat_interleave(5, 0), torch.eye(5).double().repeat(4, 1)
    assert_close(fuse(image, text).vector.sigmoid(), torch.from_numpy(posterior))


def test_with_a_uniform_prior_late_product_gives_the_probabilities_of_late_logit():
    product, inputs, _, _ = ready("late_product")
    logit, _, _, _ = ready("late_logit")
    logit.load_state_dict({key: value for key, value in product.state_dict().items() if key != "prior"})
    assert_close(product(*inputs).vector.softmax(-1), logit(*inputs).vector.softmax(-1))
    product.fit_prior(torch.arange(1, FUSED_DIM + 1))
    assert (product(*inputs).vector.softmax(-1) - logit(*inputs).vector.softmax(-1)).abs().max() > 1e-3


def test_the_prior_is_smoothed_and_saved_with_the_state():
    fuse = create_fusion("late_product", **WIDTHS, fused_dim=3)
    fuse.fit_prior(torch.tensor([7, 0, 0]))
    assert_close(fuse.prior.exp(), torch.tensor([0.8, 0.1, 0.1]))
    labels = create_fusion("late_product", **WIDTHS, fused_dim=3, link="sigmoid")
    labels.fit_prior(torch.tensor([0, 4, 8]), rows=8)
    assert_close(labels.prior.sigmoid(), torch.tensor([0.1, 0.5, 0.9]))
    again = create_fusion("late_product", **WIDTHS, fused_dim=3)
    again.load_state_dict(fuse.state_dict())
    assert torch.equal(again.prior, fuse.prior)


def test_counts_that_make_no_prior_are_refused():
    fuse = create_fusion("late_product", **WIDTHS, fused_dim=3)
    labels = create_fusion("late_product", **WIDTHS, fused_dim=3, link="sigmoid")
    with pytest.raises(ShapeError, match=r"counts has shape \(2,\); expected one a class: \(3,\)"):
        fuse.fit_prior(torch.tensor([1, 2]))
    with pytest.raises(ConfigError, match=r"counts from -1 to 2"):
        fuse.fit_prior(torch.tensor([1, 2, -1]))
    with pytest.raises(ConfigError, match=r"smoothing=0\. Count training rows"):
        fuse.fit_prior(torch.tensor([1, 2, 0]), smoothing=0)
    with pytest.raises(ConfigError, match=r"needs the number of training rows\. Give rows="):
        labels.fit_prior(torch.tensor([1, 2, 0]))
    with pytest.raises(ConfigError, match=r"to 20, rows=10"):
        labels.fit_prior(torch.tensor([1, 2, 20]), rows=10)


# evidential


def dempster(first: dict, second: dict) -> dict:
    """Dempster's rule over sets: masses of all pairs of sets go to their intersections, the empty one is left out."""
    mass: dict[frozenset, float] = {}
    for (a, m), (b, n) in itertools.product(first.items(), second.items()):
        mass[a & b] = mass.get(a & b, 0.0) + m * n
    conflict = mass.pop(frozenset(), 0.0)
    return {key: value / (1 - conflict) for key, value in mass.items()}


def masses(alpha: np.ndarray) -> dict:
    """An opinion as masses of sets: of each class alone, and of all classes together (the uncertainty)."""
    total = alpha.sum()
    singles = {frozenset([k]): (a - 1) / total for k, a in enumerate(alpha)}
    return {**singles, frozenset(range(len(alpha))): len(alpha) / total}


@pytest.mark.parametrize("evidence", ["softplus", "exp"])
def test_evidential_is_dempster_s_rule_enumerated_over_sets(evidence):
    fuse, inputs, image, text = ready("evidential", evidence=evidence)
    opinions = fuse.opinions(image, text)
    probs = fuse(*inputs).vector.exp()
    for row in range(3):
        seen, read = (opinions[which][row].detach().numpy() for which in (0, 1))
        combined = dempster(masses(seen), masses(read))
        doubt = combined[frozenset(range(FUSED_DIM))]
        alpha = np.array([1 + combined[frozenset([k])] * FUSED_DIM / doubt for k in range(FUSED_DIM)])
        assert_close(opinions.combined[row], torch.from_numpy(alpha))
        # the expected probability: each class's own belief, and an even share of the uncertainty
        share = np.array([combined[frozenset([k])] + doubt / FUSED_DIM for k in range(FUSED_DIM)])
        assert_close(probs[row], torch.from_numpy(share))


def test_the_heads_become_opinions_as_the_setting_says():
    fuse, _, image, text = ready("evidential")
    seen, read = fuse.unimodal(image, text)
    assert_close(fuse.opinions(image, text).image, 1 + torch.logaddexp(seen, torch.zeros_like(seen)))
    assert_close(fuse.opinions(image, text).text, 1 + torch.logaddexp(read, torch.zeros_like(read)))
    fuse, _, image, text = ready("evidential", evidence="exp")
    assert_close(fuse.opinions(image, text).image, 1 + fuse.unimodal(image, text)[0].exp())


def test_the_vector_is_the_logarithm_of_the_mean_of_a_dirichlet():
    fuse, inputs, image, text = ready("evidential")
    assert_close(fuse(*inputs).vector, Dirichlet(fuse.opinions(image, text).combined).mean.log())


def test_combined_evidence_ranks_classes_by_a_sum_of_one_term_a_modality():
    first, second = 9 * torch.rand(2, 4, 5, dtype=torch.float64)
    log = torch.log1p(first / 5) + torch.log1p(second / 5)
    assert_close(torch.log1p(combine_evidence(first, second) / 5), log)


def test_certainty_that_agrees_grows_and_total_conflict_stays_finite():
    sure = torch.tensor([[1e6, 0.0, 0.0]])
    other = torch.tensor([[0.0, 1e6, 0.0]])
    agree, conflict = combine_evidence(sure, sure), combine_evidence(sure, other)
    assert agree[0, 0] > 2e6
    assert_close(conflict, torch.tensor([[1e6, 1e6, 0.0]]))  # the rule's 1 - C is 6e-6 here


@pytest.mark.parametrize("annealing", [0.0, 0.3, 1.0])
def test_the_evidential_loss_equals_torch_s_kl_and_an_integral_by_scipy(annealing):
    draw = torch.Generator().manual_seed(0)
    alpha = 1 + 4 * torch.rand(4, 5, generator=draw, dtype=torch.float64)
    labels = torch.tensor([0, 4, 2, 2])
    losses = evidential_loss(alpha, labels, annealing)
    for row, label in enumerate(labels.tolist()):
        own, rest = float(alpha[row, label]), float(alpha[row].sum() - alpha[row, label])
        density = scipy.stats.beta(own, rest).pdf  # of the label's probability
        cross_entropy, _ = scipy.integrate.quad(lambda p, density=density: -np.log(p) * density(p), 0, 1)
        wrong = alpha[row].clone()
        wrong[label] = 1
        divergence = kl_divergence(Dirichlet(wrong), Dirichlet(torch.ones_like(wrong)))
        assert_close(losses[row], cross_entropy + annealing * divergence, rtol=1e-6, atol=1e-6)


def test_the_loss_adds_the_combined_opinion_and_those_of_the_modalities_that_are_there():
    fuse, _, image, text = ready("evidential")
    labels = torch.tensor([1, 0, 3])
    text = text._replace(mask=text.mask & torch.tensor([[True], [False], [True]]))
    opinions = fuse.opinions(image, text)
    parts = [evidential_loss(alpha, labels, 0.5) for alpha in opinions]
    parts[1][1] = 0  # the second row has no text
    assert_close(fuse.loss(image, text, labels, 0.5), sum(parts).mean())
    fuse.loss(image, text, labels).backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in fuse.parameters())


def test_training_on_the_loss_makes_a_modality_that_knows_nothing_unsure():
    torch.manual_seed(0)
    fuse = create_fusion("evidential", image_dim=4, text_dim=4, fused_dim=2)
    labels = torch.arange(200) % 2
    image = torch.randn(200, 4) + 3 * (labels[:, None] - 0.5)
    noise = torch.randn(200, 4)
    mask = torch.ones(200, 1, dtype=torch.bool)
    seen, read = Tokens(image[:, None], mask), Tokens(noise[:, None], mask)
    optimiser = torch.optim.Adam(fuse.parameters(), 0.003)
    for step in range(80):
        optimiser.zero_grad()
        fuse.loss(seen, read, labels, min(1.0, step / 40)).backward()
        optimiser.step()
    opinions = fuse.opinions(seen, read)
    doubts = [float((2 / alpha.detach().sum(-1)).mean()) for alpha in opinions]
    assert doubts[0] < doubts[1] - 0.2
    assert (fuse(image, noise).vector.argmax(-1) == labels).float().mean() > 0.95
