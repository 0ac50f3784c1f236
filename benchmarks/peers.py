"""How the same numbers are got today: the whole attention maps first, then the metrics of each."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from attention.definitions import SINK_LIMIT
from attention.text.documents import Window
from benchmarks.networks import Trio, forward


def maps_then_metrics(trio: Trio, windows: Sequence[Window]) -> list[dict[str, Tensor]]:
    """`output_attentions=True`, then distance, spread, entropy, dispersion, interdependency and sink from the maps.

    This is also how BertViz gets attention. Gives for each layer a metric by sequence and head, (B, H).
    """
    output = forward(trio.eager, windows, maps=True)
    return [metrics_of_map(a, windows, causal=trio.model.facts.causal) for a in output.attentions]


def metrics_of_map(a: Tensor, windows: Sequence[Window], *, causal: bool) -> dict[str, Tensor]:
    """The metrics of one layer's weights (B, H, N, N), padding left out."""
    tokens = a.shape[-1]
    place = torch.arange(tokens)
    lengths = torch.tensor([len(window) for window in windows])
    real = (place < lengths[:, None])[:, None]  # (B, 1, N)
    offset = (place[:, None] - place).float()
    span = offset.abs()
    visible = (place + 1).expand(len(windows), -1)[:, None] if causal else lengths[:, None, None].expand(-1, 1, tokens)
    distance = (a * span).sum(-1)
    mean = (a * offset).sum(-1)
    spread = ((a * offset**2).sum(-1) - mean**2).clamp(min=0).sqrt()
    entropy = -torch.special.xlogy(a, a).sum(-1)
    several = real & (visible > 1)
    dispersion = entropy / visible.clamp(min=2).log()
    rest = a[..., 1:].sum(-1)
    b = a[..., 1:] / rest.clamp(min=1e-12)[..., None]
    distance_rest = (b * span[:, 1:]).sum(-1)
    entropy_rest = -torch.special.xlogy(b, b).sum(-1)
    keys = visible - 1
    measurable = real & (rest >= SINK_LIMIT)
    shown = (offset >= 0) if causal else real[:, 0, None, :].expand(-1, tokens, -1)  # (N, N) or (B, N, N)
    uniform = (span * shown)[..., 1:].sum(-1).view(-1, 1, tokens) / keys.clamp(min=1)
    far = distance_rest / uniform.clamp(min=0.5)
    interdependency = far * entropy_rest / keys.clamp(min=2).log()

    def over(values: Tensor, rows: Tensor) -> Tensor:
        return (values * rows).sum(-1) / rows.sum(-1).clamp(min=1)

    return {
        "distance": over(distance, real),
        "distance_spread": over(spread, real),
        "entropy": over(entropy, real),
        "dispersion": over(dispersion, several),
        "sink": over(a[..., 0], real & (place > 0)),
        "distance_without_sink": over(distance_rest, measurable & (keys > 0)),
        "entropy_without_sink": over(entropy_rest, measurable & (keys > 0)),
        "interdependency": over(interdependency, measurable & (keys > 1)),
    }


def lens_is_installed() -> bool:
    """Whether TransformerLens can be measured beside."""
    return find_spec("transformer_lens") is not None


def transformer_lens(trio: Trio, tokens: int) -> Any:
    """A network of the same shape in TransformerLens 4, giving its patterns; None where that is not installed."""
    try:
        from transformer_lens.config import TransformerBridgeConfig  # type: ignore[import-not-found, unused-ignore]
        from transformer_lens.model_bridge import TransformerBridge  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    facts = trio.model.facts
    config = TransformerBridgeConfig(
        n_layers=facts.layers,
        d_model=facts.hidden_size,
        n_ctx=tokens,
        d_head=facts.hidden_size // facts.heads,
        n_heads=facts.heads,
        n_key_value_heads=facts.key_value_heads,
        d_mlp=1536,
        d_vocab=facts.vocabulary,
        act_fn="silu",
        gated_mlp=True,
        normalization_type="RMS",
        positional_embedding_type="rotary",
        rotary_dim=facts.hidden_size // facts.heads,
        device="cpu",
        seed=0,
    )
    network = TransformerBridge.boot_native(config).eval()

    def measure(windows: Sequence[Window]) -> list[dict[str, Tensor]]:
        ids = torch.from_numpy(windows[0].ids)[None]
        with torch.inference_mode():
            _, cache = network.run_with_cache(ids, names_filter=lambda name: name.endswith("hook_pattern"))
        return [metrics_of_map(cache["pattern", layer], windows, causal=True) for layer in range(facts.layers)]

    return measure
