"""The original's module, held to its own computation on `nn.MultiheadAttention` with the weights copied."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from interfuse.fusion import OneKeyAttentionWarning, create_fusion
from interfuse.nn import Attention


def copy_to_torch(attention: Attention, dim: int, heads: int) -> torch.nn.MultiheadAttention:
    twin = torch.nn.MultiheadAttention(dim, heads, batch_first=True)
    with torch.no_grad():
        twin.in_proj_weight.copy_(torch.cat([attention.query.weight, attention.key_value.weight]))
        key_bias = torch.randn(dim)  # softmax does not see it
        twin.in_proj_bias.copy_(torch.cat([attention.query.bias, key_bias, attention.value_bias]))
        twin.out_proj.weight.copy_(attention.out.weight)
        twin.out_proj.bias.copy_(attention.out.bias)
    return twin.eval()


def test_it_equals_the_original_computation_with_weights_copied():
    torch.manual_seed(0)
    fuse = create_fusion("shared_cross_attention", image_dim=768, text_dim=768, fused_dim=768, num_heads=8).eval()
    with torch.no_grad():
        for parameter in fuse.attention.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    twin = copy_to_torch(fuse.attention, 768, 8)
    image, text = torch.randn(5, 49, 768), torch.randn(5, 11, 768)
    text_mask = torch.arange(11) < torch.tensor([11, 3, 1, 7, 10])[:, None]
    p, q = fuse.image(image), fuse.text(text)
    a, _ = twin(q, p, p)
    b, _ = twin(p, q, q, key_padding_mask=~text_mask)
    fused_image, fused_text = F.layer_norm(image + b, (768,)), F.layer_norm(text + a, (768,))
    fused = fuse(image, text, None, text_mask)
    assert_close(fused.image, fused_image, rtol=0, atol=1e-5)
    assert_close(fused.text[text_mask], fused_text[text_mask], rtol=0, atol=1e-5)


def test_two_pooled_vectors_are_told_that_attention_over_one_key_is_a_linear_map():
    fuse = create_fusion("shared_cross_attention", image_dim=16, text_dim=16, fused_dim=16, num_heads=2)
    with pytest.warns(OneKeyAttentionWarning, match="attention over one key has weight exactly 1, so it is a linear"):
        vector = fuse(torch.randn(4, 16), torch.randn(4, 16)).vector
    vector.square().sum().backward()
    dead, alive = fuse.attention.query.weight.grad, fuse.attention.key_value.weight.grad.chunk(2)[1]
    assert dead.norm() < 1e-6 * alive.norm()  # zero but for what a kernel rounds, 1e-7 a step


def test_post_norm_cross_attention_equals_a_torch_decoder_layer_without_its_self_attention():
    torch.manual_seed(0)
    fuse = create_fusion("cross_attention", image_dim=24, text_dim=24, fused_dim=24, num_heads=3, norm_first=False)
    twin = torch.nn.TransformerDecoderLayer(24, 3, 96, 0.0, "gelu", batch_first=True).eval()
    ours = fuse.eval().streams.layers[0].text
    with torch.no_grad():
        twin.self_attn.out_proj.weight.zero_()
        twin.self_attn.out_proj.bias.zero_()
        twin.multihead_attn.load_state_dict(copy_to_torch(ours.attention, 24, 3).state_dict())
        twin.linear1.load_state_dict(ours.feed_forward[0].state_dict())
        twin.linear2.load_state_dict(ours.feed_forward[2].state_dict())
        twin.norm2.load_state_dict(ours.attention_norm.state_dict())
        twin.norm3.load_state_dict(ours.forward_norm.state_dict())
        twin.norm1.eps = 0.0
        image, text = torch.randn(4, 6, 24), F.layer_norm(torch.randn(4, 5, 24), (24,), eps=0.0)
        mask = torch.arange(6) < torch.tensor([6, 2, 4, 1])[:, None]
        expected = twin(text, image, memory_key_padding_mask=~mask)
        assert_close(ours(text, text, image, mask), expected)
