"""Models as clients see them."""

from pydantic import BaseModel, Field

from models.states import ModelState


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
    weights_sha256: str | None


class ServedModels(BaseModel):
    """Every model that this installation serves, the default first."""

    items: list[ServedModel]
    next: None = None
