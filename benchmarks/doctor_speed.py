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


def main() -> None:
    torch.manual_seed(0)
    modules = {
        "cross_attention": create_fusion("cross_attention", image_dim=2048, text_dim=768, fused_dim=768),
        "merged_attention": create_fusion("merged_attention", image_dim=2048, text_dim=768, fused_dim=576),
        "three decoder layers": Decoder(),
    }
    for name, module in modules.items():
        count = sum(p.numel() for p in module.parameters())
        bare = examine(module, image_dim=2048, text_dim=768, export=False)
        whole = examine(module, image_dim=2048, text_dim=768)
        print(f"{name}, {count / 1e6:.1f} M parameters: {whole.seconds:.1f} s, without export {bare.seconds:.1f} s")


if __name__ == "__main__":
    main()
