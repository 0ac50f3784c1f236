"""What each token of a document does, and the weights of one head."""

from pydantic import BaseModel, Field

Rows = list[list[float | None]]


class TokensDetail(BaseModel):
    """The tokens in the order the model read them; N of them under L attending layers. Values are means over heads."""

    window: list[int] = Field(description="The window that the token was read in.")
    id: list[int] = Field(description="Token id.")
    text: list[str] = Field(description="The tokenizer's own text of the token, read by itself.")
    turn: list[int | None] = Field(description="The turn whose content it is; null for none.")
    scaffold: list[bool] = Field(description="True for special tokens and template text.")
    distance: Rows = Field(description="L x N, tokens.")
    entropy: Rows = Field(description="L x N, nats.")
    received: Rows = Field(description="L x N: mean attention from the tokens that can see it.")
    received_lift: Rows = Field(description="L x N: that over its value under uniform attention.")


class AttentionWeights(BaseModel):
    """The weights of one head over the N tokens of one window."""

    analysis_id: str
    layer: int
    head: int
    window: int
    id: list[int]
    text: list[str]
    turn: list[int | None]
    scaffold: list[bool]
    weights: list[list[float]] = Field(
        description="N x N: row i is what token i attends to; it sums to 1 less what a learned sink took."
    )
