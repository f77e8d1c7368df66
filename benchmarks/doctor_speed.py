"""Seconds that the doctor takes on modules of about ten million parameters.

python benchmarks/doctor_speed.py
"""

import torch
from torch import nn

from interfuse.doctor import examine
from interfuse.fusion import create_fusion


class Decoder(nn.Module):
    """Three nn.TransformerDecoderLayers of width 512: text over image."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(2048, 512)
        self.text = nn.Linear(768, 512)
        self.layers = nn.TransformerDecoder(nn.TransformerDecoderLayer(512, 8, 1024, batch_first=True), 3)

    def forward(self, text, image, text_padding_mask=None, image_padding_mask=None):
        return self.layers(
            self.text(text),
            self.image(image),
            tgt_key_padding_mask=text_padding_mask,
            memory_key_padding_mask=image_padding_mask,
        )


class Broken(nn.Module):
    """Many defects at once: attention across the batch, masks without effect, a map that nothing uses."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(2048, 576)
        self.text = nn.Linear(768, 576)
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(576, 8, 1152, 0.0) for _ in range(3))
        self.unused = nn.Linear(576, 576)
        self.out = nn.Linear(576, 576)

    def forward(self, image, text, image_mask=None, text_mask=None):  # noqa: ARG002  (without effect on purpose)
        states = torch.cat([self.image(image), self.text(text)], 1)
        for layer in self.layers:
            states = layer(states)
        return self.out(states.mean(1))


def main() -> None:
    torch.manual_seed(0)
    modules = {
        "cross_attention": create_fusion("cross_attention", image_dim=2048, text_dim=768, fused_dim=768),
        "merged_attention": create_fusion("merged_attention", image_dim=2048, text_dim=768, fused_dim=576),
        "three decoder layers": Decoder(),
        "broken": Broken(),
    }
    for name, module in modules.items():
        count = sum(p.numel() for p in module.parameters())
        bare = examine(module, image_dim=2048, text_dim=768, export=False)
        whole = examine(module, image_dim=2048, text_dim=768)
        found = sum(finding.severity != "info" for finding in whole.findings)
        print(
            f"{name}, {count / 1e6:.1f} M parameters: {whole.seconds:.1f} s, without export {bare.seconds:.1f} s, "
            f"{found} errors and warnings"
        )


if __name__ == "__main__":
    main()
