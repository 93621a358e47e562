# SPDX-License-Identifier: BSD-3-Clause
"""Fewer and cheaper steps for the same answers: torch modules rewritten for inference.

A module in eval mode is captured as a graph (:mod:`torch.fx`) and three things are changed: batch
norm is folded into the convolution before it; a sum or ReLU overwrites an array that nothing else
reads instead of making a new one; ``view`` becomes ``reshape``, which accepts channels-last arrays.
``python -m benchmarks speed/networks`` shows what each is worth.

Nothing here is trusted: :mod:`._torch_ready` compares the result with the module itself before it
is used. Importing this file imports torch.
"""

from __future__ import annotations

import inspect
import operator
import threading
import warnings
from typing import Any

import torch  # noqa: TID253
from torch import fx, nn  # noqa: TID253
from torch.nn import functional as F  # noqa: TID253
from torch.nn.utils.fusion import fuse_conv_bn_eval  # noqa: TID253

__all__ = ["CONVS", "capture", "capture_parts"]

CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_ADDS = (operator.add, operator.iadd, torch.add)
_RELUS = (F.relu, torch.relu)

# Tracing patches torch.nn.Module for as long as it runs.
_TRACING = threading.Lock()


class _OneInput(nn.Module):
    """Calls a module with one input, so that its other parameters keep their defaults."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, x: Any) -> Any:
        return self.module(x)


def capture(module: nn.Module, *, in_place: bool = True) -> nn.Module | None:
    """The module as a rewritten graph, or None if it cannot be captured.

    Parameters
    ----------
    module : Module
        In eval mode, called with one input. It is not changed; the graph shares those of its
        parts that stay as they are.
    in_place : bool, default=True
        Whether sums and ReLUs may overwrite what nobody else reads.
    """
    try:
        with _TRACING, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph_module = fx.symbolic_trace(_OneInput(module))
            rewrite(graph_module, in_place=in_place)
        return graph_module
    except Exception:  # whatever a module's own code does with stand-ins for tensors
        return None


def capture_parts(module: nn.Module, *, in_place: bool = True) -> int:
    """Replace, in place, the largest parts of a module that can be captured.

    For a module whose own forward depends on its data, or returns an object of its own. Only
    parts that take one input are tried: in a call with more, an absent one would look given.

    Returns
    -------
    n_captured : int
    """
    n_captured = 0
    for name, child in module.named_children():
        captured = None
        if _takes_one_input(child) and any(isinstance(m, _NORMS) for m in child.modules()):
            captured = capture(child, in_place=in_place)
        if captured is not None:
            module._modules[name] = captured.eval()
            n_captured += 1
        else:
            n_captured += capture_parts(child, in_place=in_place)
    return n_captured


def _takes_one_input(module: nn.Module) -> bool:
    try:
        parameters = list(inspect.signature(module.forward).parameters.values())
    except (TypeError, ValueError):
        return False
    return len(parameters) == 1 and parameters[0].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD


# --- the graph ----------------------------------------------------------------------------


def rewrite(graph_module: fx.GraphModule, *, in_place: bool = True) -> None:
    """Fold, reuse memory and allow any layout, in a traced module."""
    # With duplicates: one module may be called by two names.
    modules = dict(graph_module.named_modules(remove_duplicate=False))
    for node in list(graph_module.graph.nodes):
        if _is_call(node, modules, _NORMS):
            _fold(graph_module, node, modules)
        elif node.op == "call_method" and node.target == "view":
            _allow_any_layout(node)
    if in_place:
        for node in list(graph_module.graph.nodes):
            _reuse_memory(node, modules)
    graph_module.graph.lint()
    graph_module.delete_all_unused_submodules()
    graph_module.recompile()
    graph_module.eval()


def _is_call(node: Any, modules: dict, kinds: tuple[type, ...]) -> bool:
    """Whether a node calls a module of exactly one of these kinds, without hooks."""
    if not (isinstance(node, fx.Node) and node.op == "call_module"):
        return False
    module = modules[node.target]
    # Exactly: a subclass may compute something else. Weight norm and pruning are hooks.
    hooked = module._forward_pre_hooks or module._forward_hooks or "forward" in vars(module)
    return type(module) in kinds and not hooked and len(node.args) == 1 and not node.kwargs


def _fold(graph_module: fx.GraphModule, node: fx.Node, modules: dict) -> None:
    """Batch norm into the convolution whose output it alone reads."""
    before, norm = node.args[0], modules[node.target]
    if not _is_call(before, modules, CONVS) or len(before.users) > 1:
        return
    conv = modules[before.target]
    # Without running statistics it uses those of the batch, in eval mode too.
    if norm.training or norm.running_mean is None or norm.num_features != conv.out_channels:
        return
    name = f"folded_{sum(1 for key in modules if key.startswith('folded_'))}"
    modules[name] = folded(conv, norm)
    graph_module.add_submodule(name, modules[name])
    with graph_module.graph.inserting_before(before):
        new = graph_module.graph.call_module(name, before.args)
    node.replace_all_uses_with(new)
    graph_module.graph.erase_node(node)
    graph_module.graph.erase_node(before)


def folded(conv: nn.Module, norm: nn.Module) -> nn.Module:
    """One convolution that does what a convolution and a batch norm after it do."""
    fused = fuse_conv_bn_eval(conv, norm)
    # In channels-last order, as the inputs of 2-D convolutions are.
    return fused.to(memory_format=torch.channels_last) if type(fused) is nn.Conv2d else fused


def _allow_any_layout(node: fx.Node) -> None:
    """``view`` of sizes as ``reshape``; ``view`` of a dtype is another thing."""
    sizes = node.args[1:]
    if sizes and not node.kwargs and not any(isinstance(size, torch.dtype) for size in sizes):
        node.target = "reshape"


def _reuse_memory(node: fx.Node, modules: dict) -> None:
    """Let a ReLU or a sum overwrite an array made just for it."""
    if _is_call(node, modules, (nn.ReLU,)) or _calls(node, _RELUS, "relu"):
        if _is_fresh(node.args[0], modules) and len(node.args) == 1:
            _become(node, "relu_", node.args)
    elif _calls(node, _ADDS, "add") and len(node.args) == 2 and not node.kwargs:
        for target, other in (node.args, node.args[::-1]):
            if _is_fresh(target, modules):
                _become(node, "add_", (target, other))
                return


def _calls(node: fx.Node, functions: tuple, method: str) -> bool:
    if node.op == "call_function":
        return node.target in functions and not (node.kwargs.get("alpha") or "out" in node.kwargs)
    return node.op == "call_method" and node.target == method


def _is_fresh(node: Any, modules: dict) -> bool:
    """Whether this is a new array with a single reader: no input, view or weight."""
    if not isinstance(node, fx.Node) or len(node.users) > 1:
        return False
    if node.op == "call_method":
        return node.target in ("add_", "relu_") and _is_ours(node)
    return _is_call(node, modules, (*CONVS, *_NORMS, nn.Linear))


def _is_ours(node: fx.Node) -> bool:
    return bool(node.meta.get("skzest_fresh"))


def _become(node: fx.Node, method: str, args: tuple) -> None:
    node.op, node.target, node.args, node.kwargs = "call_method", method, args, {}
    node.meta["skzest_fresh"] = True
