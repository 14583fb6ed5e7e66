"""The model: Qwen2, its weights named as in the published checkpoints.

Shapes: B sequences, T new tokens, S tokens so far, H query heads, G key-value heads, D width of
a head, C width of the model, V vocabulary.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class ModelConfig:
    """What config.json says of the architecture."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    max_position_embeddings: int
    rms_norm_eps: float
    rope_theta: float
    tie_word_embeddings: bool
    eos_token_id: int

    @property
    def head_width(self) -> int:
        return self.hidden_size // self.num_attention_heads


def read_config(path: Path) -> ModelConfig:
    """Return the architecture that a config.json describes; what else it says is passed over."""
    raw = json.loads(path.read_text())
    assert raw["model_type"] == "qwen2", f"{path} describes a {raw['model_type']}, no qwen2"
    return ModelConfig(**{name: raw[name] for name in ModelConfig.__annotations__})


class Cache:
    """The keys and values of earlier tokens, so that sequences go on one token at a time.

    Row r holds the first lengths[r] tokens of one sequence. `rows` are those that the next call
    of the model is about.
    """

    def __init__(self, config: ModelConfig, rows: int, capacity: int, like: Tensor):
        shape = (rows, config.num_key_value_heads, capacity, config.head_width)
        # zeros: a row without a sequence must not fill the others' batch with NaN
        self.keys = [like.new_zeros(shape) for _ in range(config.num_hidden_layers)]  # R G S D
        self.values = [like.new_zeros(shape) for _ in range(config.num_hidden_layers)]
        self.lengths = torch.zeros(rows, dtype=torch.long, device=like.device)
        self.rows = torch.arange(rows, device=like.device)
        self.longest = 0  # an upper bound of lengths, known without asking the device

    def begin(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """Keep the first T tokens of the sequences in `rows`."""
        self.keys[layer][self.rows, :, : keys.size(2)] = keys
        self.values[layer][self.rows, :, : values.size(2)] = values

    def append(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Keep one token more of every sequence [R, G, 1, D] and return all [R, G, S, D]."""
        self.keys[layer][self.rows, :, self.lengths] = key[:, :, 0]
        self.values[layer][self.rows, :, self.lengths] = value[:, :, 0]
        end = self.longest + 1
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]

    def keep(self, rows: Tensor) -> None:
        """Forget all sequences but these."""
        self.keys = [keys[rows] for keys in self.keys]
        self.values = [values[rows] for values in self.values]
        self.lengths = self.lengths[rows]
        self.rows = torch.arange(len(rows), device=rows.device)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair of features (i, i + D/2) by the angle of its position (arXiv 2104.09864)."""
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-right, left), dim=-1) * sin


class RMSNorm(nn.Module):
    """Root-mean-square norm with a gain for each feature."""

    def __init__(self, width: int, epsilon: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.size(-1),), self.weight, self.epsilon)


class Attention(nn.Module):
    """Causal self-attention; H / G query heads share a key-value head."""

    def __init__(self, config: ModelConfig, layer: int):
        super().__init__()
        self.layer = layer
        self.head_width = D = config.head_width
        self.heads, self.groups = config.num_attention_heads, config.num_key_value_heads
        self.q_proj = nn.Linear(config.hidden_size, self.heads * D)
        self.k_proj = nn.Linear(config.hidden_size, self.groups * D)
        self.v_proj = nn.Linear(config.hidden_size, self.groups * D)
        self.o_proj = nn.Linear(self.heads * D, config.hidden_size, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cache: Cache | None) -> Tensor:
        B, T, _ = x.shape
        q = self.q_proj(x).view(B, T, self.heads, self.head_width).transpose(1, 2)  # B H T D
        k = self.k_proj(x).view(B, T, self.groups, self.head_width).transpose(1, 2)  # B G T D
        v = self.v_proj(x).view(B, T, self.groups, self.head_width).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is None or T > 1:  # from the first token on: what is padded stands behind
            if cache is not None:
                cache.begin(self.layer, k, v)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        else:  # one token: the heads of a group are queries side by side to the same keys
            keys, values = cache.append(self.layer, k, v)
            seen = torch.arange(keys.size(2), device=x.device) <= cache.lengths[:, None]  # R S
            q = q.view(B, self.groups, self.heads // self.groups, self.head_width)
            y = F.scaled_dot_product_attention(q, keys, values, attn_mask=seen[:, None, None])
            y = y.view(B, self.heads, 1, self.head_width)
        return self.o_proj(y.transpose(1, 2).reshape(B, T, self.heads * self.head_width))


class MLP(nn.Module):
    """SwiGLU."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    """Attention and MLP, each added to the residual stream."""

    def __init__(self, config: ModelConfig, layer: int):
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config, layer)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cache: Cache | None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """Tokens to hidden states."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(
            Block(config, layer) for layer in range(config.num_hidden_layers)
        )
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.head_width, self.rope_theta = config.head_width, config.rope_theta

    def forward(self, tokens: Tensor, cache: Cache | None) -> Tensor:
        T = tokens.size(1)
        x = self.embed_tokens(tokens)
        positions = torch.arange(T, device=tokens.device)[None]  # 1 T
        if cache is not None and T == 1:
            positions = cache.lengths[:, None]  # R 1
        pairs = torch.arange(0, self.head_width, 2, device=tokens.device) / self.head_width
        angles = positions[..., None] * self.rope_theta**-pairs
        angles = torch.cat((angles, angles), dim=-1)[:, None]  # B 1 T D, the same for all heads
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        for layer in self.layers:
            x = layer(x, cos, sin, cache)
        return self.norm(x)


class Qwen2(nn.Module):
    """Tokens to hidden states; `logits` makes predictions of those that matter."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def forward(self, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        """Return the hidden states [B, T, C] of tokens [B, T].

        Without a cache: whole sequences, padded behind. With one: either the beginnings (T > 1)
        of the sequences in `cache.rows`, or one token more (T = 1) of every sequence that it holds.
        """
        return self.model(tokens, cache)

    def logits(self, hidden: Tensor) -> Tensor:
        """Return what the model expects behind hidden states [..., C]: logits [..., V]."""
        tied = self.config.tie_word_embeddings
        return F.linear(hidden, (self.model.embed_tokens if tied else self.lm_head).weight)
