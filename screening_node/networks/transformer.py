"""The pre-norm transformer encoder of Wang et al. 2022, equations 2 to 8."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class SelfAttention(nn.Module):
    """Multi-head self-attention (equations 5 to 8); (B, N, D) -> (B, N, D).

    The paper sets the head size to D / k, but 512 does not divide by 6. Heads of 64 (inner width 384) give its
    7.9 M encoder parameters, so the head size is a parameter of its own here.
    """

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.head_width = head_width
        self.qkv = nn.Linear(width, 3 * heads * head_width, bias=False)
        self.out = nn.Linear(heads * head_width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Each token as a weighted sum of all."""
        batch, count, _ = tokens.shape
        q, k, v = self._projected(tokens)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        joined: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, count, -1))
        return joined

    def received(self, tokens: Tensor) -> Tensor:
        """How much each token is attended to: (B, N, D) -> (B, N), mean over heads and asking tokens; rows sum to 1."""
        q, k, _ = self._projected(tokens)
        weights = (q @ k.transpose(-2, -1) / math.sqrt(self.head_width)).softmax(dim=-1)  # (B, heads, asking, asked)
        return weights.mean(dim=(1, 2))

    def _projected(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (B, heads, N, head_width)."""
        batch, count, _ = tokens.shape
        q, k, v = self.qkv(tokens).reshape(batch, count, 3, self.heads, self.head_width).permute(2, 0, 3, 1, 4)
        return q, k, v


class EncoderLayer(nn.Module):
    """LN, attention, add; LN, MLP with GELU, add (equations 2 and 3)."""

    def __init__(self, width: int, heads: int, head_width: int, mlp_width: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads, head_width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, mlp_width), nn.GELU(), nn.Linear(mlp_width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """One layer."""
        tokens = tokens + self.attention(self.attention_norm(tokens))
        mixed: Tensor = tokens + self.mlp(self.mlp_norm(tokens))
        return mixed


class Encoder(nn.Sequential):
    """``layers`` encoder layers in a row; (B, N, D) -> (B, N, D)."""

    def __init__(self, *, layers: int, width: int, heads: int, head_width: int, mlp_width: int) -> None:
        super().__init__(*(EncoderLayer(width, heads, head_width, mlp_width) for _ in range(layers)))

    def received(self, tokens: Tensor) -> Tensor:
        """How much each token is attended to, mean over the layers: (B, N, D) -> (B, N); rows sum to 1."""
        shares = []
        for layer in self:
            assert isinstance(layer, EncoderLayer)
            shares.append(layer.attention.received(layer.attention_norm(tokens)))
            tokens = layer(tokens)
        return torch.stack(shares).mean(dim=0)


class Embedding(nn.Module):
    """Equation 1: a learnable token in front, learnable positions added; (B, N, D) -> (B, N + 1, D)."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.positions = nn.Parameter(torch.randn(1, count + 1, width) * 0.02)

    def forward(self, features: Tensor) -> Tensor:
        """The embeddings that go into the encoder."""
        return torch.cat([self.token.expand(len(features), -1, -1), features], dim=1) + self.positions
