"""What a packed format is: which tensors of a module it has, and the weight that they make."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import torch
from torch import Tensor

from attention.errors import QuantizationUnknown
from attention.model.tensors import OfActivations

ACTIVATIONS: Final = re.compile(
    r"(?:input|output|activation)_(?:scale|zero_point)|input_scale_ub|(?:[kqv]|kv|prob_output)_scale"
)
"""Parts that say how what goes in, out or into a cache is quantized."""

Parts = Mapping[str, Any]
"""The stored tensors of one module by their part's name, not yet read: `qweight`, `scales`."""


Found = dict[str, frozenset[str]]
"""The weights that a module's packed tensors make, by their names within it, and the parts of each."""


class Format(Protocol):
    """A packed format under the settings of one model."""

    name: str
    settings: str

    def parts_of(self, module: Parts) -> Found:
        """The weights that a module's packed tensors make; none where it is stored plainly."""

    def weight(self, module: Parts) -> Tensor:
        """The weight of its parts, in fp32."""


@dataclass(frozen=True)
class Unpacked:
    """A weight that is made when it is read, as slices of safetensors are."""

    make: Callable[[], Tensor]

    def __getitem__(self, _: object) -> Tensor:
        return self.make()

    def get_shape(self) -> list[int]:
        """As slices of safetensors have it."""
        return list(self.make().shape)

    def get_dtype(self) -> str:
        """As slices of safetensors have it."""
        return "F32"


def packs(form: Format, stored: Mapping[str, Any]) -> bool:
    """Whether any of the stored tensors are packed in this format."""
    return any(form.parts_of(parts) for parts in _modules(stored).values())


def unpacked(form: Format, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The stored tensors by name, with every packed module's in one weight."""
    found: dict[str, Any] = {}
    for module, parts in _modules(stored).items():
        used: set[str] = set()
        for weight, own in form.parts_of(parts).items():
            used |= own
            found[f"{module}.{weight}"] = Unpacked(_weight_of(form, {part: parts[part] for part in own}))
        for part, tensor in parts.items():
            if part not in used:
                found[f"{module}.{part}" if module else part] = (
                    OfActivations(tensor) if ACTIVATIONS.fullmatch(part) else tensor
                )
    return found


def _modules(stored: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    modules: dict[str, dict[str, Any]] = {}
    for name, tensor in stored.items():
        module, part = _module_and_part(name, stored)
        modules.setdefault(module, {})[part] = tensor
    return modules


def _module_and_part(name: str, stored: Mapping[str, Any]) -> tuple[str, str]:
    """A tensor's module, and its name within. Some formats hang a weight's state below it: `q_proj.weight.absmax`."""
    place = name.find(".weight.")
    if place >= 0 and name[: place + len(".weight")] in stored:
        return name[:place], name[place + 1 :]
    module, _, part = name.rpartition(".")
    return module, part


def _weight_of(form: Format, parts: Parts) -> Callable[[], Tensor]:
    return lambda: form.weight(parts)


def weight_of(parts: Iterable[str]) -> Found:
    """A module's one weight and its parts; none where there are no parts."""
    own = frozenset(parts)
    return {"weight": own} if own else {}


def read(tensor: Any) -> Tensor:
    """A stored tensor's values."""
    values: Tensor = tensor[...]
    return values


def low_precision(module: Parts, model: str) -> Tensor:
    """A module's weight as it is stored, in 8 bits each.

    Raises QuantizationUnknown for a wider one: it may be multiplied with the scales beside it already.
    """
    stored = read(module["weight"])
    if stored.element_size() > 1:
        raise QuantizationUnknown(
            f"the weights of {model} have scales beside them and are stored as {stored.dtype}, which tells not whether "
            "the scales are in them already; save the model anew, plain or quantized"
        )
    return stored


def scaled_in_groups(q: Tensor, zeros: Tensor, scales: Tensor, group: Tensor, model: str) -> Tensor:
    """scales[g(i), o] (q[i, o] - zeros[g(i), o]), turned to (out, in), of whole numbers (in, out).

    `zeros` and `scales` are (groups, out), `group` says of which one each input is. Raises QuantizationUnknown where
    they do not fit each other.
    """
    wanted = torch.Size((len(scales), q.shape[1]))
    fits = zeros.shape == scales.shape == wanted and len(group) == len(q)
    if not fits or int(group.min()) < 0 or int(group.max()) >= len(scales):
        raise QuantizationUnknown(
            f"the weights of {model} have {len(scales)} groups of scales for {len(q)} inputs, which do not fit its "
            "configuration (bits, group_size)"
        )
    return (scales.float()[group] * (q - zeros[group])).T.contiguous()


def groups_in_turn(inputs: int, groups: int, size: int | None, model: str) -> Tensor:
    """The group of each input (in,), where groups of `size` follow each other; None is one group for all.

    Raises QuantizationUnknown where the weights have another number of groups.
    """
    each = size or inputs
    if -(-inputs // each) != groups:
        raise QuantizationUnknown(
            f"the weights of {model} have {groups} groups of scales for {inputs} inputs, where its configuration says "
            f"{each} inputs to a group (group_size)"
        )
    return torch.arange(inputs) // each


def nibbles(packed: Tensor, bits: int) -> Tensor:
    """The numbers of `bits` bits in each int32, lowest first: (..., 32 / bits), int32."""
    shifts = torch.arange(0, 32, bits, dtype=torch.int32)
    numbers: Tensor = (packed.unsqueeze(-1) >> shifts) & (2**bits - 1)
    return numbers


def setting(config: Mapping[str, Any], name: str, known: tuple[Any, ...], model: str, usual: Any = None) -> Any:
    """A setting of a quantization that has one of the known values. Raises QuantizationUnknown for another."""
    value = config.get(name, usual)
    if value not in known:
        raise QuantizationUnknown(
            f"the weights of {model} are quantized with {name} = {value}, which cannot be read; known are "
            f"{', '.join(map(str, known))}: serve the model from plain weights"
        )
    return value
