"""Graph convolution over a fixed set of landmarks, for the Deep Adaptive Graph (Li et al., ECCV 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GraphConvolution(nn.Module):
    """y = W1 f + A f W2 with a learned adjacency A (N x N), normalised by row; (B, N, I) -> (B, N, O).

    The paper learns A freely. Here A is the row-wise softmax of a learned matrix that starts at zero: every node
    then begins by listening to all alike, and rows stay sums of one.
    """

    def __init__(self, nodes: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.own = nn.Linear(inputs, outputs)
        self.others = nn.Linear(inputs, outputs, bias=False)
        self.adjacency = nn.Parameter(torch.zeros(nodes, nodes))

    def forward(self, features: Tensor) -> Tensor:
        """One exchange between all nodes."""
        own: Tensor = self.own(features)
        heard: Tensor = self.adjacency.softmax(dim=-1) @ self.others(features)
        return own + heard


class GraphBlock(nn.Module):
    """A residual block of two graph convolutions with LayerNorm and ReLU; (B, N, D) -> (B, N, D)."""

    def __init__(self, nodes: int, width: int) -> None:
        super().__init__()
        self.first = GraphConvolution(nodes, width, width)
        self.second = GraphConvolution(nodes, width, width)
        self.first_norm = nn.LayerNorm(width)
        self.second_norm = nn.LayerNorm(width)

    def forward(self, features: Tensor) -> Tensor:
        """One block."""
        inner = self.first(self.first_norm(features).relu())
        mixed: Tensor = features + self.second(self.second_norm(inner).relu())
        return mixed


class GraphModule(nn.Module):
    """An embedding, residual blocks and a linear head that starts at zero; (B, N, I) -> (B, N, O)."""

    def __init__(self, *, nodes: int, inputs: int, width: int, outputs: int, blocks: int) -> None:
        super().__init__()
        self.embed = GraphConvolution(nodes, inputs, width)
        self.blocks = nn.Sequential(*(GraphBlock(nodes, width) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, features: Tensor) -> Tensor:
        """One answer for each node."""
        answers: Tensor = self.head(self.norm(self.blocks(self.embed(features))).relu())
        return answers
