"""Models as clients see them."""

from pydantic import BaseModel, Field

from models.states import ModelState


class QuantizedWeights(BaseModel):
    """How a model's weights were published, and what they were brought to before they were used."""

    scheme: str = Field(examples=["gguf Q4_1"])
    dequantized_to: str = Field(examples=["float32"])


class ServedModel(BaseModel):
    """One entry of the models file. What only its weights can tell is null until a worker has loaded it once."""

    id: str = Field(examples=["all-MiniLM-L6-v2"])
    default: bool
    state: ModelState
    reason: str | None = Field(description="Why it is refused or unavailable: the name of a problem type.")
    message: str | None
    workers: int = Field(description="Live workers that serve it.")
    revision: str | None
    architecture: str | None
    layers: int | None = Field(description="Attending layers.")
    attending_layers: list[int] | None = Field(description="Their indices in the network; a hybrid has others between.")
    heads: int | None
    key_value_heads: int | None
    hidden_size: int | None
    context: int | None = Field(description="The most tokens that it reads at once.")
    causal: bool | None
    parameters: int | None
    dtype: str
    device: str
    kernel: str | None = Field(
        description="What measures attention: `compiled-*` or `fused` at about the speed of attention alone; where no "
        "compiler or no Triton was at hand `blocked`, slower and with the same numbers."
    )
    weights_sha256: str | None = Field(
        description="Of everything that changes a number: the weights' files, an adapter, the way of dequantizing."
    )
    ignored_tensors: list[str] | None = Field(
        description="Tensors of its files that have no part in what is measured: heads on top, poolers, towers."
    )
    quantization: QuantizedWeights | None
    adapter: str | None = Field(description="The adapter that was merged into its weights.")
    notes: list[str] | None = Field(description="What a reader of its numbers should know.")


class ServedModels(BaseModel):
    """Every model that this installation serves, the default first."""

    items: list[ServedModel]
    next: None = None
