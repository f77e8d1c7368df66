"""Forward and backward of attention kernels on this machine, side by side: why bfloat16 on a CPU takes plain products.

python benchmarks/attention_kernels.py
"""

import statistics
import time

import torch
import torch.nn.functional as F

from interfuse.nn.attention import dot_product_attention

SIZES = [(256, 8, 9, 13, 16), (256, 8, 22, 22, 16), (64, 8, 49, 40, 96)]


def fused(q, k, v, mask):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def main() -> None:
    torch.set_num_threads(1)
    print("batch, heads, queries, keys, head_dim: milliseconds forward + backward, median of 9, alternating")
    for batch, heads, queries, keys, width in SIZES:
        for dtype in (torch.float32, torch.bfloat16):
            q, k, v = (
                torch.randn(batch, n, heads * width, dtype=dtype, requires_grad=True) for n in (queries, keys, keys)
            )
            mask = (torch.arange(keys) < torch.randint(1, keys + 1, (batch, 1)))[:, None, None, :]
            times: dict[str, list[float]] = {"fused": [], "ours": []}
            for _ in range(9):
                for name, kernel in (("fused", fused), ("ours", dot_product_attention)):
                    parts = [x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v)]
                    start = time.perf_counter()
                    kernel(*parts, mask).sum().backward()
                    times[name].append(time.perf_counter() - start)
            medians = {name: 1e3 * statistics.median(values) for name, values in times.items()}
            ratio = medians["ours"] / medians["fused"]
            print(
                f"{(batch, heads, queries, keys, width)} {str(dtype)[6:]}: fused {medians['fused']:.1f}, "
                f"ours {medians['ours']:.1f} (ratio {ratio:.2f})"
            )


if __name__ == "__main__":
    main()
