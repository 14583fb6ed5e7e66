"""The policy's weights: read, adapted, shared out, and saved. Of the package, what needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from transformers import AutoModelForCausalLM, AutoTokenizer

from airr.policy.checkpoints import verify
from airr.policy.orders import Order
from airr.policy.settings import Policy

OPTIMIZER = "optimizer.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """Which process of a job this is, and the device that it computes on."""

    rank: int
    world: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Tell whether this process speaks for all."""
        return self.rank == 0


def tokenizer_of(order: Order) -> Any:
    """Return the model's tokenizer."""
    return AutoTokenizer.from_pretrained(order.model)


def policy_of(order: Order, rank: Rank, *, trainable: bool) -> nn.Module:
    """Return the policy on this process's device, with the weights of the order's checkpoint.

    Raises:
        WorkspaceError: the checkpoint is not what was saved.
    """
    checkpoint = Path(order.checkpoint) if order.checkpoint else None
    if checkpoint:
        verify(checkpoint)
    policy = order.policy
    if policy.lora is None:
        model = _plain(str(checkpoint or order.model), policy)
    else:
        model = _adapted(_plain(order.model, policy), policy, checkpoint, trainable=trainable)
    model.train(trainable)
    if trainable and policy.checkpoint_activations:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    if trainable and policy.shard:
        return _sharded(model, rank)
    return model.to(rank.device)


def reference_of(order: Order, rank: Rank) -> nn.Module | None:
    """Return the model as it came, frozen; None where the policy is that with adapters beside."""
    if order.policy.lora is not None:
        return None
    model = _plain(order.model, order.policy).requires_grad_(requires_grad=False)
    return (_sharded(model, rank) if order.policy.shard else model.to(rank.device)).eval()


def parameters_of(model: nn.Module) -> list[nn.Parameter]:
    """Return what is trained."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def logits_of(model: nn.Module, tokens: Tensor, last: int) -> Tensor:
    """Return the logits (batch, last, vocabulary) that follow the last `last` tokens but one.

    `tokens` (batch, time) end in those whose probabilities are asked for.
    """
    return model(input_ids=tokens, use_cache=False, logits_to_keep=last + 1).logits[:, :-1]


def save(model: Any, optimizer: torch.optim.Optimizer, folder: Path, rank: Rank) -> None:
    """Save weights and optimizer into a folder; every process of a sharded model must call it."""
    weights, moments = model.state_dict(), optimizer.state_dict()
    if _is_sharded(model):
        from torch.distributed.checkpoint.state_dict import (  # noqa: PLC0415
            StateDictOptions,
            get_state_dict,
        )

        whole = StateDictOptions(full_state_dict=True, cpu_offload=True)
        weights, moments = get_state_dict(model, optimizer, options=whole)
    if rank.is_first:
        model.save_pretrained(folder, state_dict=weights)
        torch.save(moments, folder / OPTIMIZER)


def load_optimizer(model: Any, optimizer: torch.optim.Optimizer, order: Order) -> None:
    """Give the optimizer the moments that it was saved with, if there is a checkpoint."""
    if not order.checkpoint:
        return
    path = Path(order.checkpoint) / OPTIMIZER
    moments = torch.load(path, map_location="cpu", weights_only=True)
    if _is_sharded(model):
        from torch.distributed.checkpoint.state_dict import (  # noqa: PLC0415
            StateDictOptions,
            set_optimizer_state_dict,
        )

        whole = StateDictOptions(full_state_dict=True)
        set_optimizer_state_dict(model, optimizer, moments, options=whole)
        return
    optimizer.load_state_dict(moments)


def _plain(name: str, policy: Policy) -> Any:
    return AutoModelForCausalLM.from_pretrained(name, dtype=getattr(torch, policy.dtype))


def _adapted(base: Any, policy: Policy, checkpoint: Path | None, *, trainable: bool) -> Any:
    from peft import LoraConfig, PeftModel, get_peft_model  # noqa: PLC0415 - takes a second

    if checkpoint:
        return PeftModel.from_pretrained(base, checkpoint, is_trainable=trainable)
    assert policy.lora is not None
    return get_peft_model(
        base,
        LoraConfig(
            task_type="CAUSAL_LM",
            r=policy.lora.rank,
            lora_alpha=policy.lora.alpha,
            target_modules=policy.lora.targets,
        ),
    )


def _sharded(model: Any, rank: Rank) -> Any:
    """Share a model out over all processes, layer by layer (FSDP2)."""
    from torch.distributed.fsdp import fully_shard  # noqa: PLC0415

    model = model.to(rank.device)
    mesh = init_device_mesh(rank.device.type, (rank.world,))
    layers = [m for m in model.modules() if type(m).__name__.endswith("DecoderLayer")]
    for layer in layers:
        fully_shard(layer, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def _is_sharded(model: nn.Module) -> bool:
    return any(hasattr(parameter, "full_tensor") for parameter in model.parameters())
