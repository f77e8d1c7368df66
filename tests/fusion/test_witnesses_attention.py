"""Mechanisms that attend, held to independent implementations with the weights copied."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from interfuse.core.tokens import Tokens
from interfuse.fusion import create_fusion
from tests.fusion.witnesses import (
    DIM,
    FORWARD,
    HEADS,
    additive,
    copy_attention,
    copy_forward,
    copy_linear,
    copy_multihead,
    copy_norm,
    encoder_layer,
    make,
    streams,
)

REASON = "transformers keeps this layer private; this release has it elsewhere"


def transformers_module(path: str):
    return pytest.importorskip(f"transformers.models.{path}", reason=REASON)


def transformers_class(path: str, name: str):
    module = transformers_module(path)
    if not hasattr(module, name):
        pytest.skip(f"{name}: {REASON}")
    return getattr(module, name)


def decoder_layer(ours: nn.Module) -> nn.TransformerDecoderLayer:
    """PyTorch's post-LN decoder layer with the weights of our `DecoderLayer`."""
    twin = nn.TransformerDecoderLayer(DIM, HEADS, FORWARD, 0.0, "gelu", batch_first=True).double()
    copy_multihead(ours.attention, twin.self_attn)
    copy_multihead(ours.cross, twin.multihead_attn)
    copy_forward(ours.feed_forward, twin.linear1, twin.linear2)
    for norm, other in (
        (ours.attention_norm, twin.norm1),
        (ours.cross_norm, twin.norm2),
        (ours.forward_norm, twin.norm3),
    ):
        copy_norm(norm, other)
    return twin


def test_lxmert_equals_the_layer_of_transformers():
    from transformers import LxmertConfig

    layer = transformers_class("lxmert.modeling_lxmert", "LxmertXLayer")
    fuse, s = make("lxmert", num_layers=2), streams()
    config = LxmertConfig(hidden_size=DIM, num_attention_heads=HEADS, intermediate_size=FORWARD)
    v, t = fuse.streams.image(s.image), fuse.streams.text(s.text)
    for ours in fuse.streams.layers:
        twin = layer(config).double().eval()
        cross = twin.visual_attention
        copy_attention(ours.cross, cross.att.query, cross.att.key, cross.att.value, cross.output.dense)
        copy_norm(ours.cross_norm, cross.output.LayerNorm)
        for stream, attention, inter, output in (
            (ours.text, twin.lang_self_att, twin.lang_inter, twin.lang_output),
            (ours.image, twin.visn_self_att, twin.visn_inter, twin.visn_output),
        ):
            inner = attention.self
            copy_attention(stream.attention, inner.query, inner.key, inner.value, attention.output.dense)
            copy_norm(stream.attention_norm, attention.output.LayerNorm)
            copy_forward(stream.feed_forward, inter.dense, output.dense)
            copy_norm(stream.forward_norm, output.LayerNorm)
        t, v = twin(t, additive(s.text_mask), v, additive(s.image_mask))
    fused = fuse(*s)
    assert_close(fused.image[s.image_mask], v[s.image_mask])
    assert_close(fused.text[s.text_mask], t[s.text_mask])


def test_mcan_equals_torch_encoder_and_decoder_layers():
    fuse, s = make("mcan", num_layers=2), streams()
    v, t = fuse.image(s.image), fuse.text(s.text)
    for ours in fuse.text_layers:
        t = encoder_layer(ours, norm_first=False)(t, src_key_padding_mask=~s.text_mask)
    for ours in fuse.image_layers:
        twin = decoder_layer(ours)
        v = twin(v, t, tgt_key_padding_mask=~s.image_mask, memory_key_padding_mask=~s.text_mask)
    fused = fuse(*s)
    assert_close(fused.image[s.image_mask], v[s.image_mask])
    assert_close(fused.text[s.text_mask], t[s.text_mask])


def test_mult_equals_a_torch_convolution_decoder_layers_and_encoder_layers():
    fuse, s = make("mult", num_layers=2, self_layers=2), streams()
    sources = {}
    for name in ("image", "text"):
        tokens, mask = getattr(s, name), getattr(s, f"{name}_mask")
        convolved = getattr(fuse, f"{name}_convolution")(tokens.masked_fill(~mask[..., None], 0.0).mT).mT
        sources[name] = Tokens(convolved, mask)
    fused = fuse(*s)
    for name, other in (("image", "text"), ("text", "image")):
        stream, (x, mask), source = getattr(fuse, name), sources[name], sources[other]
        for ours in stream.cross:
            twin = nn.TransformerDecoderLayer(
                DIM, HEADS, FORWARD, 0.0, "gelu", batch_first=True, norm_first=True
            ).double()
            with torch.no_grad():  # no self-attention in a crossmodal block
                twin.self_attn.out_proj.weight.zero_()
                twin.self_attn.out_proj.bias.zero_()
            copy_multihead(ours.attention, twin.multihead_attn)
            copy_forward(ours.feed_forward, twin.linear1, twin.linear2)
            copy_norm(ours.query_norm, twin.norm2)
            copy_norm(ours.forward_norm, twin.norm3)
            x = twin(x, ours.memory_norm(source.tokens), memory_key_padding_mask=~source.mask)
        x = stream.cross_norm(x)
        for ours in stream.layers:
            x = encoder_layer(ours, norm_first=True)(x, src_key_padding_mask=~mask)
        assert_close(getattr(fused, name)[mask], stream.norm(x)[mask])


def test_dfaf_gated_attention_equals_scaled_dot_product_attention_of_gated_projections():
    fuse, s = make("dfaf"), streams()
    flow = fuse.streams.layers[0].image
    stream, other = Tokens(fuse.streams.image(s.image), s.image_mask), torch.randn(4, DIM, dtype=torch.float64)
    scale = 1 + 1 / (1 + torch.exp(-(other @ flow.gate.weight.T + flow.gate.bias)))
    key_weight, value_weight = flow.intra.key_value.weight.chunk(2)
    x = stream.tokens
    query = (x @ flow.intra.query.weight.T + flow.intra.query.bias) * scale[:, None]
    key, value = (x @ key_weight.T) * scale[:, None], x @ value_weight.T + flow.intra.value_bias
    heads = [part.reshape(4, 7, HEADS, -1).transpose(1, 2) for part in (query, key, value)]
    found = nn.functional.scaled_dot_product_attention(*heads, attn_mask=s.image_mask[:, None, None, :])
    found = flow.intra.out(found.transpose(1, 2).reshape(4, 7, DIM))
    assert_close(flow.within(stream, other).tokens, flow.output(x + found))


def test_gated_cross_attention_equals_the_gated_layer_of_transformers_and_starts_as_the_identity():
    from transformers import IdeficsConfig

    layer = transformers_class("idefics.modeling_idefics", "IdeficsGatedCrossAttentionLayer")
    config = IdeficsConfig(
        hidden_size=DIM, num_attention_heads=HEADS, intermediate_size=FORWARD, dropout=0.0, rms_norm_eps=1e-5
    )
    config.vision_config.embed_dim = DIM
    config._attn_implementation = "eager"
    fuse, s = make("gated_cross_attention"), streams()
    ours, twin = fuse.layers[0], layer(config, layer_idx=0).double().eval()
    with torch.no_grad():
        for bias in (ours.attention.query.bias, ours.attention.value_bias, ours.attention.out.bias):
            bias.zero_()  # transformers' layer has none
        ours.attention_norm.bias.zero_()
        ours.forward_gate.zero_()  # its feed-forward network is of another kind: silent in both
        twin.input_layernorm.weight.copy_(ours.attention_norm.weight)
        twin.alpha_cross_attn.fill_(float(ours.attention_gate))
    attention = twin.cross_attn
    copy_attention(ours.attention, attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj)
    image, text = Tokens(fuse.image(s.image), s.image_mask), fuse.text(s.text)
    text = text - text.mean(-1, keepdim=True)  # where the mean is zero, RMSNorm and LayerNorm are the same
    mask = additive(s.image_mask).expand(-1, 1, 5, -1)
    expected = twin(
        text, image_hidden_states=image.tokens, image_attention_mask=mask, cross_attention_gate=torch.ones(4, 5)
    )
    assert_close(ours(text, image), expected)

    fresh = create_fusion("gated_cross_attention", image_dim=11, text_dim=13, fused_dim=DIM, num_heads=HEADS).double()
    assert torch.equal(fresh(*s).text, fresh.text(s.text.masked_fill(~s.text_mask[..., None], 0.0)))


def test_bidirectional_equals_the_fusion_layer_of_grounding_dino():
    from transformers import GroundingDinoConfig

    layer = transformers_class("grounding_dino.modeling_grounding_dino", "GroundingDinoFusionLayer")
    config = GroundingDinoConfig(
        d_model=DIM, encoder_ffn_dim=2 * DIM, encoder_attention_heads=2 * HEADS, fusion_dropout=0.0, fusion_droppath=0.0
    )
    fuse, s = make("bidirectional", num_layers=2, layer_scale=0.5), streams()
    v, t = fuse.streams.image(s.image), fuse.streams.text(s.text)
    for ours in fuse.streams.layers:
        twin = layer(config).double().eval()
        for name, theirs in (("image", "vision"), ("text", "text")):
            for part, other in (
                ("query", f"{theirs}_proj"),
                ("value", f"values_{theirs}_proj"),
                ("out", f"out_{theirs}_proj"),
            ):
                mine = getattr(ours, f"{name}_{part}")
                copy_linear(getattr(twin.attn, other), mine.weight, mine.bias)
            copy_norm(getattr(ours, f"{name}_norm"), getattr(twin, f"layer_norm_{theirs}"))
            with torch.no_grad():
                getattr(twin, f"{theirs}_param").copy_(getattr(ours, f"{name}_scale"))
        (v, _), (t, _) = twin(v, t, attention_mask_vision=~s.image_mask, attention_mask_text=~s.text_mask)
    fused = fuse(*s)
    assert_close(fused.image[s.image_mask], v[s.image_mask])
    assert_close(fused.text[s.text_mask], t[s.text_mask])


def test_two_way_equals_the_block_of_sam_where_all_tokens_are_real():
    from transformers import SamMaskDecoderConfig

    block = transformers_class("sam.modeling_sam", "SamTwoWayAttentionBlock")
    config = SamMaskDecoderConfig(
        hidden_size=DIM, num_attention_heads=HEADS, mlp_dim=FORWARD, hidden_act="gelu", layer_norm_eps=1e-5
    )
    config._attn_implementation = "eager"
    fuse, s = make("two_way", num_layers=2), streams()
    v, t = (
        fuse.streams.image(s.image)[:, None],
        fuse.streams.text(s.text)[:, None],
    )  # (batch, prompts of SAM, tokens, dim)
    for ours in fuse.streams.layers:
        twin = block(config, attention_downsample_rate=1).double().eval()
        for mine, other in (
            (ours.text.attention, twin.self_attn),
            (ours.text.cross, twin.cross_attn_token_to_image),
            (ours.image, twin.cross_attn_image_to_token),
        ):
            copy_attention(mine, other.q_proj, other.k_proj, other.v_proj, other.out_proj)
        copy_forward(ours.text.feed_forward, twin.mlp.lin1, twin.mlp.lin2)
        norms = (ours.text.attention_norm, ours.text.cross_norm, ours.text.forward_norm, ours.image_norm)
        for number, norm in enumerate(norms, start=1):
            copy_norm(norm, getattr(twin, f"layer_norm{number}"))
        nothing = torch.zeros((), dtype=torch.float64)
        t, v, _ = twin(t, v, nothing, nothing, None)
    fused = fuse(s.image, s.text)
    assert_close(fused.image, v[:, 0], rtol=1e-5, atol=1e-6)  # SAM's softmax is float32
    assert_close(fused.text, t[:, 0], rtol=1e-5, atol=1e-6)


def test_merged_attention_equals_the_torch_encoder_and_flava():
    from transformers import FlavaMultimodalConfig

    flava = transformers_class("flava.modeling_flava", "FlavaMultimodalModel")
    fuse, s = make("merged_attention", num_layers=2), streams()
    merged = torch.cat([fuse.image(s.image) + fuse.types[0], fuse.text(s.text) + fuse.types[1]], 1)
    mask = torch.cat([s.image_mask, s.text_mask], 1)
    fused = fuse(*s)
    ours = torch.cat([fused.image, fused.text], 1)

    x = merged
    for layer in fuse.layers:
        x = encoder_layer(layer, norm_first=True)(x, src_key_padding_mask=~mask)
    assert_close(ours[mask], fuse.norm(x)[mask])

    config = FlavaMultimodalConfig(
        hidden_size=DIM, num_hidden_layers=2, num_attention_heads=HEADS, intermediate_size=FORWARD, use_cls_token=False
    )
    config._attn_implementation = "eager"
    twin = flava(config, add_pooling_layer=False).double().eval()
    copy_norm(fuse.norm, twin.layernorm)
    for mine, layer in zip(fuse.layers, twin.encoder.layer, strict=True):
        inner = layer.attention.attention
        copy_attention(mine.attention, inner.query, inner.key, inner.value, layer.attention.output.dense)
        copy_forward(mine.feed_forward, layer.intermediate.dense, layer.output.dense)
        copy_norm(mine.attention_norm, layer.layernorm_before)
        copy_norm(mine.forward_norm, layer.layernorm_after)
    assert_close(ours[mask], twin(merged, attention_mask=mask).last_hidden_state[mask])


def test_post_norm_cross_attention_equals_the_cross_layer_of_bridgetower():
    from transformers import BridgeTowerTextConfig

    layer = transformers_class("bridgetower.modeling_bridgetower", "BridgeTowerBertCrossLayer")
    config = BridgeTowerTextConfig(
        hidden_size=DIM, num_attention_heads=HEADS, intermediate_size=FORWARD, layer_norm_eps=1e-5
    )
    config._attn_implementation = "eager"
    fuse, s = make("cross_attention", norm_first=False), streams()
    v, t = fuse.streams.image(s.image), fuse.streams.text(s.text)
    v, t = (x / x.norm(dim=-1, keepdim=True) for x in (v, t))
    ours, twin = fuse.streams.layers[0].text, layer(config).double().eval()
    cross = twin.crossattention
    copy_attention(ours.attention, cross.self.query, cross.self.key, cross.self.value, cross.output.dense)
    copy_norm(ours.attention_norm, cross.output.LayerNorm)
    copy_forward(ours.feed_forward, twin.intermediate.dense, twin.output.dense)
    copy_norm(ours.forward_norm, twin.output.LayerNorm)
    with torch.no_grad():  # its self-attention comes first; made the identity: adds nothing, and its norm keeps t
        twin.attention.output.dense.weight.zero_()
        twin.attention.output.dense.bias.zero_()
    twin.attention.output.LayerNorm = nn.Identity()
    expected = twin(t, v, encoder_attention_mask=additive(s.image_mask))[0]
    assert_close(ours(t, t, v, s.image_mask), expected)


def test_bottleneck_equals_torch_encoder_layers_over_stream_and_bottlenecks():
    fuse, s = make("bottleneck", num_layers=3), streams()
    v, t, shared = fuse.image(s.image), fuse.text(s.text), fuse.bottlenecks.expand(4, -1, -1)
    open_to_all = torch.zeros(4, shared.shape[1], dtype=torch.bool)
    for image_layer, text_layer in zip(fuse.image_layers, fuse.text_layers, strict=True):
        both = encoder_layer(image_layer, norm_first=True)(
            torch.cat([v, shared], 1), src_key_padding_mask=torch.cat([~s.image_mask, open_to_all], 1)
        )
        v, from_image = both[:, :7], both[:, 7:]
        both = encoder_layer(text_layer, norm_first=True)(
            torch.cat([t, shared], 1), src_key_padding_mask=torch.cat([~s.text_mask, open_to_all], 1)
        )
        t, from_text = both[:, :5], both[:, 5:]
        shared = torch.stack([from_image, from_text]).mean(0)
    fused = fuse(*s)
    assert_close(fused.image[s.image_mask], fuse.image_norm(v)[s.image_mask])
    assert_close(fused.text[s.text_mask], fuse.text_norm(t)[s.text_mask])


def test_bottlenecks_are_the_only_path_from_stream_to_stream():
    fuse, s = make("bottleneck", num_layers=2), streams()
    first = []
    hook = fuse.text_layers[0].register_forward_hook(lambda _m, _i, output: first.append(output))
    text, other = fuse(*s).text, fuse(s.image + 1, *s[1:]).text
    hook.remove()
    assert torch.equal(first[0], first[1])  # the first layer's text has seen no image
    assert not torch.allclose(text, other)  # the second layer's has, through the bottlenecks
    with torch.no_grad():
        for layer in (*fuse.image_layers, *fuse.text_layers):
            layer.attention.out.weight.zero_()  # now a bottleneck learns nothing from its stream
    assert torch.equal(fuse(*s).text, fuse(s.image + 1, *s[1:]).text)


def test_perceiver_equals_the_model_of_transformers():
    from transformers import PerceiverConfig, PerceiverModel

    fuse, s = make("perceiver", num_latents=3, num_layers=2), streams()
    config = PerceiverConfig(
        num_latents=3,
        d_latents=DIM,
        d_model=DIM,
        num_blocks=1,
        num_self_attends_per_block=2,
        num_self_attention_heads=HEADS,
        num_cross_attention_heads=HEADS,
        qk_channels=DIM,
        v_channels=DIM,
        self_attention_widening_factor=4,
        cross_attention_widening_factor=4,
    )
    twin = PerceiverModel(config).double().eval()
    with torch.no_grad():
        twin.embeddings.latents.copy_(fuse.latents)
    for mine, layer in (
        (fuse.read, twin.encoder.cross_attention),
        *zip(fuse.layers, twin.encoder.self_attends, strict=True),
    ):
        inner = layer.attention.self
        copy_attention(mine.attention, inner.query, inner.key, inner.value, layer.attention.output.dense)
        copy_norm(mine.query_norm if mine is fuse.read else mine.attention_norm, inner.layernorm1)
        if mine is fuse.read:
            copy_norm(mine.memory_norm, inner.layernorm2)
        copy_norm(mine.forward_norm, layer.layernorm)
        copy_forward(mine.feed_forward, layer.mlp.dense1, layer.mlp.dense2)
    merged = torch.cat([fuse.image(s.image) + fuse.types[0], fuse.text(s.text) + fuse.types[1]], 1)
    mask = torch.cat([s.image_mask, s.text_mask], 1)
    latents = twin(merged, attention_mask=mask.double()).last_hidden_state
    assert_close(fuse(*s).vector, fuse.project(fuse.norm(latents).mean(1)))


def test_resampler_equals_the_resampler_of_transformers_row_by_row():
    from transformers import IdeficsConfig

    resampler = transformers_class("idefics.perceiver", "IdeficsPerceiverResampler")
    config = IdeficsConfig()
    config.vision_config.embed_dim = DIM
    config.perceiver_config.qk_layer_norms_perceiver = False
    fuse, s = make("resampler", num_latents=3, num_layers=2), streams()
    twin = resampler(config, DIM, 2, HEADS, DIM // HEADS, 3).double().eval()
    with torch.no_grad():
        twin.latents.copy_(fuse.latents)
        for mine in fuse.layers:  # transformers' layers have no biases
            mine.attention.query.bias.zero_()
            mine.attention.value_bias.zero_()
    copy_norm(fuse.norm, twin.layer_norm)
    for mine, (attention, forward) in zip(fuse.layers, twin.blocks, strict=True):
        copy_attention(mine.attention, attention.q_proj, attention.k_proj, attention.v_proj, attention.output_proj)
        copy_norm(mine.token_norm, attention.context_layer_norm)
        copy_norm(mine.latent_norm, attention.latents_layer_norm)
        copy_norm(mine.forward_norm, forward.ln)
        copy_forward(mine.feed_forward, forward.fc, forward.c_proj)
        forward.act = nn.GELU()
    merged = torch.cat([fuse.image(s.image) + fuse.types[0], fuse.text(s.text) + fuse.types[1]], 1)
    mask = torch.cat([s.image_mask, s.text_mask], 1)
    for row, vector in enumerate(fuse(*s).vector):  # transformers' resampler takes no mask
        latents = twin(merged[row : row + 1, mask[row]])
        assert_close(vector, fuse.project(latents.mean(1))[0])


def test_q_former_equals_the_model_of_transformers():
    from transformers import Blip2QFormerConfig, Blip2QFormerModel

    fuse, s = make("q_former", num_queries=3, num_layers=2), streams()
    config = Blip2QFormerConfig(
        hidden_size=DIM,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        intermediate_size=FORWARD,
        cross_attention_frequency=1,
        encoder_hidden_size=11,
        layer_norm_eps=1e-5,
        use_qformer_text_input=True,
    )
    config._attn_implementation = "eager"
    twin = Blip2QFormerModel(config).double().eval()
    copy_norm(fuse.norm, twin.layernorm)
    for mine, layer in zip(fuse.layers, twin.encoder.layer, strict=True):
        for attention, other, norm in (
            (mine.attention, layer.attention, mine.attention_norm),
            (mine.cross, layer.crossattention, mine.cross_norm),
        ):
            inner = other.attention
            copy_attention(attention, inner.query, inner.key, inner.value, other.output.dense)
            copy_norm(norm, other.output.LayerNorm)
        copy_forward(mine.query_forward, layer.intermediate_query.dense, layer.output_query.dense)
        copy_norm(mine.query_norm, layer.output_query.LayerNorm)
        if mine.text_forward is not None:
            copy_forward(mine.text_forward, layer.intermediate.dense, layer.output.dense)
            copy_norm(mine.text_norm, layer.output.LayerNorm)
    embedded = torch.cat([fuse.queries.expand(4, -1, -1), fuse.text(s.text)], 1)
    seen = torch.cat([torch.ones(4, 3, dtype=torch.bool), s.text_mask], 1)
    states = twin(
        embedded,
        query_length=3,
        attention_mask=seen.long(),
        encoder_hidden_states=s.image,  # with text, this release's mask of the image does not fit its queries
    ).last_hidden_state
    assert_close(fuse(s.image, s.text, None, s.text_mask).vector, fuse.project(states[:, :3].mean(1)))
