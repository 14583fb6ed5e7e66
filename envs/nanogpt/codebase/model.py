"""The model: a GPT-2 with weightless RMSNorm, no biases, and tied embeddings.

Shapes: B sequences, T new tokens, S tokens so far (T <= S), H heads, D width of a head,
C width of the model, V vocabulary.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from config import Config


class Cache:
    """What a model keeps of earlier tokens, so that it can go on one token at a time.

    Tensors are kept by name, in buffers of full length; time is their last but one dimension.
    """

    def __init__(self, capacity: int):
        self.capacity = capacity
        self.length = 0  # tokens that went through the whole model
        self.buffers: dict[str, Tensor] = {}

    def append(self, name: str, new: Tensor) -> Tensor:
        """Put `new` [..., T, D] behind the earlier tokens and return all of them [..., S, D]."""
        *lead, count, width = new.shape
        if name not in self.buffers:
            self.buffers[name] = new.new_empty(*lead, self.capacity, width)
        end = self.length + count
        self.buffers[name][..., self.length : end, :] = new
        return self.buffers[name][..., :end, :]


def norm(x: Tensor) -> Tensor:
    """RMSNorm without weights, over the last dimension."""
    return F.rms_norm(x, (x.size(-1),))


class Attention(nn.Module):
    """Causal self-attention."""

    def __init__(self, config: Config, layer: int):
        super().__init__()
        self.layer = layer
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=False)
        self.out = nn.Linear(config.width, config.width, bias=False)

    def forward(self, x: Tensor, cache: Cache | None) -> Tensor:
        B, T, C = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        if cache is not None:
            k = cache.append(f"key {self.layer}", k)  # B H S D
            v = cache.append(f"value {self.layer}", v)
        # a single new token may look at all there is; a whole sequence needs the mask
        y = F.scaled_dot_product_attention(q, k, v, is_causal=T > 1)  # B H T D
        return self.out(y.transpose(1, 2).reshape(B, T, C))


class MLP(nn.Module):
    """Two linear maps with a GELU between them."""

    def __init__(self, config: Config):
        super().__init__()
        self.up = nn.Linear(config.width, 4 * config.width, bias=False)
        self.down = nn.Linear(4 * config.width, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(x)))


class Block(nn.Module):
    """Attention and MLP, each added to the residual stream."""

    def __init__(self, config: Config, layer: int):
        super().__init__()
        self.attention = Attention(config, layer)
        self.mlp = MLP(config)
        self.attention_scale = 1 / math.sqrt(2 * config.layers)

    def forward(self, x: Tensor, cache: Cache | None) -> Tensor:
        x = x + self.attention_scale * self.attention(norm(x), cache)
        return x + self.mlp(norm(x))


class GPT(nn.Module):
    """Tokens to logits."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.width)
        self.position_embedding = nn.Embedding(config.context, config.width)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.apply(self.init_weights)

    def init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=self.config.init_std)

    def forward(self, tokens: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache | None]:
        """Return the logits [B, T, V] of the token after each of `tokens` [B, T], and the cache.

        Either whole sequences without a cache (training, or the start of a text), or one token
        more (T = 1) with the cache of all that came before. In training no cache is kept.
        """
        T = tokens.size(1)
        if cache is None and not self.training:
            cache = Cache(self.config.context)
        start = 0 if cache is None else cache.length
        assert start == 0 or T == 1, "behind a cache, tokens come one at a time"

        positions = torch.arange(start, start + T, device=tokens.device)
        x = self.token_embedding(tokens) + self.position_embedding(positions)  # B T C
        for block in self.blocks:
            x = block(x, cache)
        logits = F.linear(norm(x), self.token_embedding.weight)

        if cache is not None:
            cache.length += T
        return logits, cache
