# SPDX-License-Identifier: BSD-3-Clause
"""torch modules, on the CPU and on other devices. torch is imported inside functions only."""

from __future__ import annotations

import sys
import threading
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from .._validation import check_choice, listed
from ..exceptions import QueryError
from ._base import Inputs, Model, Preprocess, Query
from ._normalizer import ImageNormalizer
from ._scores import two_columns
from ._torch_images import PerImage
from ._torch_inputs import (
    as_input,
    explain_refusal,
    not_a_tensor,
    note_of_one_image,
    preprocess_for,
    warn_of_mismatch,
)
from ._torch_module import (
    as_dtype,
    classes_for,
    device_for,
    find_scores,
    first_layer,
    is_lookup,
    refuse_sigmoid,
)
from ._torch_shared import prepared
from ._torch_space import TorchSpace

if TYPE_CHECKING:
    import torch

    from ._torch_ready import Ready

__all__ = ["TorchQuery", "is_torch_module"]

_OUTPUTS = ("logits", "predict_proba", "decision_function")


def is_torch_module(model: Model) -> bool:
    """Whether this is a ``torch.nn.Module``; never imports torch."""
    torch = sys.modules.get("torch")
    return hasattr(torch, "nn") and isinstance(model, torch.nn.Module)  # type: ignore[union-attr]


class TorchQuery(Query):
    """A torch module that classifies, asked in eval mode under ``torch.inference_mode``.

    The module itself is never changed: its mode, parameters, buffers, hooks, attributes and
    device stay as they are.

    Parameters
    ----------
    model : torch.nn.Module
        Takes one tensor, or tensors by name. Returns a tensor of shape (n, n_classes), an object
        with it as ``logits``, a dict with it as ``"logits"`` or as its only tensor, or a tuple
        with it as the first element.
    preprocess : callable, default=None
        Turns copies into what the module takes: it gets a tensor on the device, in the
        reference's layout, dtype and range (for instance uint8 images of shape (n, height,
        width, channels)), and returns a tensor or a dict of them. Floats are then cast to the
        module's dtype; whole numbers stay as they are, unless the module refuses them. With
        None only this cast is done. Texts, and points of different shapes, come as a list of
        strings or tensors. Networks of a zoo that have the same function share its result.
    mean, std : number or sequence of one per channel, default=None
        In place of `preprocess`, for images: uint8 copies are divided by 255, channels are put
        first, and ``(x - mean) / std`` is taken.
    transform : callable, default=None
        In place of `preprocess`, the module's own transform of one image, such as those of
        torchvision and timm and the processors of transformers. The results are stacked. It
        is called once per masked copy, and took 2 to 7 times as long as a `preprocess` of the
        whole batch when photographs were resized (``benchmarks/speed/transforms.py``).
    transform_input : {"auto", "tensor", "pil"}, default="auto"
        What `transform` gets: a tensor of shape (channels, height, width) in the reference's
        dtype, or a PIL image. "auto" tries the tensor first, on the first image of each batch.
    output : {"logits", "predict_proba", "decision_function"}, default="logits"
        What the module returns; ``"predict_proba"`` if it ends in a softmax. Probabilities are
        recognised in the first answers, with a warning.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns. None means those in ``model.config.id2label``, if there are any,
        and else 0..n_classes-1. With two labels, a module of one column is taken to return
        the log-odds (or the probability, see `output`) of the second.
    device : str or torch.device, default="auto"
        Where the module is asked. ``"auto"`` is where its parameters are, so that nothing is
        moved; for any other device a copy of the module is made.
    dtype : str or torch.dtype, default=None
        What parameters and inputs are cast to, such as ``"float32"``; None keeps the module's.
    autocast : str or torch.dtype, default=None
        Mixed precision in this dtype, such as ``"bfloat16"``; None turns it off. Rounding then
        counts in units of this dtype, see `eps`.
    channels_last : bool or "auto", default="auto"
        Whether images are stored with channels last, which changes no shape. ``"auto"`` does
        so for two-dimensional convolutions on a CPU, and on a GPU in TF32 or half precision.
    optimize : bool, default=True
        Whether batch norm is folded into convolutions and memory is reused, if the module can
        be captured and a few answers agree with its own to within 1e-4 of the largest (1e-8 in
        float64, 3e-2 in TF32 and half precision). Otherwise the module is asked as it is.
    deterministic : bool, default=True
        Whether the same batch must get the same answer.
    model_id : str, default=None
        Name under which answers are stored, for a model whose content cannot be read.

    Attributes
    ----------
    eps : float
        Rounding unit of the precision in which the module computes.
    how : str or None
        How the module was asked last: "rewritten", "as it is, channels-last" or "as it is".

    Raises
    ------
    TypeError
        If `model` is not a module, or must be moved and cannot be copied.
    ValueError
        If a parameter is unknown, more than one of `preprocess`, `mean` and `transform` is
        given, or the module ends in a sigmoid and is said to return logits.
    sklearn.exceptions.NotFittedError
        If the module has parameters without a shape yet.

    Warns
    -----
    UserWarning
        If the module is in training mode; and, on first use, if it accepts the copies but was
        probably not trained on inputs of their kind or range.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from skzest import LimeSignatureTransformer, TorchQuery
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2)).eval()
    >>> images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), dtype=np.uint8)
    >>> query = TorchQuery(net, mean=0.5, std=0.25)
    >>> lime = LimeSignatureTransformer(images, n_reference=2, n_samples=100)
    >>> lime.fit_transform([query]).shape == (1, 2 * lime.n_components_)
    True
    """

    def __init__(
        self,
        model: torch.nn.Module,
        *,
        preprocess: Preprocess | None = None,
        mean: ArrayLike | None = None,
        std: ArrayLike | None = None,
        transform: Preprocess | None = None,
        transform_input: str = "auto",
        output: str = "logits",
        classes: ArrayLike | None = None,
        device: str | torch.device = "auto",
        dtype: str | torch.dtype | None = None,
        autocast: str | torch.dtype | None = None,
        channels_last: bool | str = "auto",
        optimize: bool = True,
        deterministic: bool = True,
        model_id: str | None = None,
    ):
        import torch

        if not isinstance(model, torch.nn.Module):
            what = model.__name__ if isinstance(model, type) else type(model).__name__
            raise TypeError(f"TorchQuery takes a torch.nn.Module; got {what}.")
        check_choice(output, "output", _OUTPUTS)
        check_choice(channels_last, "channels_last", (True, False, "auto"))
        refuse_sigmoid(model, output)
        if any(torch.nn.parameter.is_lazy(p) for p in model.parameters()):
            from sklearn.exceptions import NotFittedError

            raise NotFittedError(
                f"{type(model).__name__} has parameters without a shape; call it once on data."
            )
        from ._torch_ready import float_dtype

        self.dtype, self.autocast = as_dtype(dtype, "dtype"), as_dtype(autocast, "autocast")
        self._input_dtype = self.dtype or float_dtype(model)
        per_image = None if transform is None else PerImage(transform, transform_input)
        preprocess = preprocess_for(model, self._input_dtype, preprocess, per_image, mean, std)
        super().__init__(
            model, preprocess=preprocess, deterministic=deterministic, model_id=model_id
        )
        self.outputs = (output,)
        self.classes_ = classes_for(model, classes)
        self.device = device_for(model, device)
        self.channels_last, self.optimize = channels_last, optimize
        self.memory_errors = (torch.cuda.OutOfMemoryError,)
        self.how: str | None = None
        self._first = first_layer(model)
        # Numbers to be looked up, such as those of words. If the module takes no whole numbers
        # after all, they are cast.
        self._keeps_whole = self._has_own_preprocess() or is_lookup(self._first)
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._n_sessions = 0
        self._ready: Ready | None = None
        self._is_checked = False

    def __getstate__(self) -> dict:
        # What is made for a session is made again elsewhere.
        made = ("_lock", "_n_sessions", "_ready", "_is_checked")
        return {name: value for name, value in vars(self).items() if name not in made}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._begin()

    @property
    def space(self) -> TorchSpace:
        """Tensors on the device on which the module is asked."""
        return TorchSpace(self.device)

    @property
    def eps(self) -> float:
        """Rounding unit of the precision that the module computes in."""
        from ._torch_ready import rounding_unit

        computed = rounding_unit(self.autocast or self._input_dtype, self.device)
        return max(computed, super().eps)

    # --- a session ------------------------------------------------------------------------

    @contextmanager
    def session(self) -> Iterator[TorchQuery]:
        """Context in which the module is ready: in eval mode, on its device, rewritten."""
        from . import _torch_ready

        with self._lock:
            ready = self._ready = self._ready or self._get_ready()
            self._n_sessions += 1
        try:
            with _torch_ready.inference(ready):
                yield self
        finally:
            with self._lock:
                self._n_sessions -= 1
                if self._n_sessions == 0:
                    ready.close()
                    self._ready = None

    def _get_ready(self) -> Ready:
        from . import _torch_ready

        _torch_ready.warn_of_training(self.model)
        return _torch_ready.Ready(
            self.model,
            device=self.device,
            dtype=self.dtype,
            autocast=self.autocast,
            channels_last=self.channels_last,
            optimize=self.optimize,
            answer_of=self._tensor_of,
        )

    # --- one batch ------------------------------------------------------------------------

    def prepare(self, X: Inputs) -> torch.Tensor | dict[str, Any]:
        """The batch as the module wants it, in memory of its own."""
        import torch

        # Other models get the same batch, and a preprocess may write to it.
        is_safe = isinstance(X, list) or not self._has_own_preprocess()
        try:
            x = super().prepare(X if is_safe else X.clone())
        except Exception as error:
            if self._has_own_preprocess() and not isinstance(self.preprocess, PerImage):
                note_of_one_image(error, X)
            raise
        if isinstance(x, Mapping):
            return self._prepare_mapping(x)
        if not isinstance(x, torch.Tensor):
            raise QueryError(not_a_tensor(self, X, x))
        x = as_input(x.to(self.device), self._input_dtype, self._keeps_whole)
        if not isinstance(X, list) and _share_memory(x, X):
            x = x.clone()  # other models get the same batch, and a module may write to it
        return x

    def _recipe(self, ready: Ready) -> Hashable | None:
        """What decides how a batch is prepared: equal for queries that can share the result."""
        if not self.deterministic:
            return None
        # A function of the user's is the same only if it is the same object.
        how = self.preprocess
        known = how if isinstance(how, (ImageNormalizer, PerImage)) else id(how)
        return known, self.device, self._input_dtype, self._keeps_whole, ready.is_channels_last

    def _has_own_preprocess(self) -> bool:
        return self.preprocess is not None and not isinstance(self.preprocess, ImageNormalizer)

    def _prepare_mapping(self, x: Mapping) -> dict[str, Any]:
        """Inputs by name, as tokenizers of transformers make them."""
        return {
            name: as_input(value.to(self.device), self._input_dtype, keeps_whole=True)
            if hasattr(value, "to")
            else value
            for name, value in x.items()
        }

    def ask(self, X: Inputs, output: str) -> torch.Tensor:
        """Raw answer of the module to one batch: a tensor of shape (n, n_classes)."""
        self.check_offered(output)
        if self._ready is None:
            with self.session():
                return self.ask(X, output)
        ready = self._ready
        x = prepared(X, self._recipe(ready), lambda X: ready.arranged(self.prepare(X)))
        if not self._is_checked:
            warn_of_mismatch(self, X, self._first)
            self._is_checked = True
        answer = self._answer(ready, X, x)
        self.how = ready.how
        return answer.clone()  # a compiled module may answer every batch in the same memory

    def _answer(self, ready: Ready, X: Inputs, x: Inputs) -> torch.Tensor:
        try:
            return ready(x)
        except RuntimeError as error:
            other = self._other_numbers(X, x)
            if other is None:
                raise self._explained(error, X, x) from error
            try:
                answer = ready(other)
            except RuntimeError:
                raise self._explained(error, X, x) from error
            self._keeps_whole = not self._keeps_whole
            return answer

    def _other_numbers(self, X: Inputs, x: Inputs) -> torch.Tensor | None:
        """The input with whole numbers cast that were kept, or kept that were cast, if any."""
        if isinstance(x, Mapping) or x.dtype.is_complex:
            return None
        if not x.dtype.is_floating_point:
            return x.to(self._input_dtype)
        is_cast = self.preprocess is None and not isinstance(X, list)
        return X.clone() if is_cast and not X.dtype.is_floating_point else None

    def _explained(self, error: RuntimeError, X: Inputs, x: Inputs) -> BaseException:
        if isinstance(error, self.memory_errors):
            return error
        if any(words in str(error) for words in ("out of memory", "can't allocate memory")):
            return MemoryError(str(error))  # of the CPU and of mps, which have no type of their own
        if isinstance(x, Mapping):
            return error
        return explain_refusal(self, X, x, self._first, error) or error

    def _tensor_of(self, answer: object) -> torch.Tensor:
        """The scores in what the module returned, one row per copy."""
        scores = find_scores(answer)
        if scores is None:
            held = (
                f" of {listed([repr(key) for key in answer])}"
                if isinstance(answer, Mapping)
                else ""
            )
            raise QueryError(
                f"{self!r} returned a {type(answer).__name__}{held}; expected a tensor, an object "
                "or dict with logits, or a tuple whose first element is a tensor. Wrap the module "
                "in one that returns its scores."
            )
        return two_columns(scores, self.outputs[0], self.classes_)

    # --- identity -------------------------------------------------------------------------

    def content(self) -> dict[str, object]:
        """What decides the answers up to rounding: neither the device nor the rewriting."""
        names = ("model", "preprocess", "outputs", "classes_", "dtype", "autocast")
        return {name: getattr(self, name) for name in names}


def _share_memory(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
