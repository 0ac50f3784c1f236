"""Answering inquiries: short work that somebody waits for now, of which nothing is kept."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from attention.definitions import PROFILE_METRICS
from attention.errors import HearkenError
from attention.measure.analysis import Measurement, analyse
from attention.measure.capture import CaptureOptions
from attention.measure.profile import profiles
from attention.text.documents import Rendered
from models.arrays import pack
from models.database_errors import database_is_away
from models.queries.queue.inquiry_claims import ClaimedInquiry, answer_inquiry, fail_inquiry, still_waited_for
from models.work import WorkOptions
from workers.inquiries.remeasure import MODEL_CHANGED, ModelChanged, remeasure
from workers.measuring.documents import render_content
from workers.measuring.model_registry import LoadedModel

log = logging.getLogger(__name__)

UNEXPECTED = (HearkenError.code, "The question failed in a way that was not foreseen; the operator's log tells more.")


@dataclass(frozen=True, slots=True)
class _Read:
    inquiry: ClaimedInquiry
    rendered: Rendered


def answer_inquiries(
    engine: Engine,
    loaded: LoadedModel,
    inquiries: list[ClaimedInquiry],
    token_budget: int,
    stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Answer each: contents are embedded together, {"version_key", "embedding": d numbers}; the others one by one.

    With the "space" "profile" the answer has the point "profile" instead of the embedding. Those that are also to be
    placed on a map have "placed" besides (see `map_points`), and are answered last. Raises what says that the database
    is away; those that are not answered are to be given back then.
    """
    read: list[_Read] = []
    for inquiry in inquiries:
        if inquiry.kind != "embedding":
            continue
        try:
            options = WorkOptions.model_validate(inquiry.request.get("options", {}))
            read.append(_Read(inquiry, render_content(loaded.model, inquiry.request["content"], options)))
        except HearkenError as refusal:
            fail_inquiries(engine, [inquiry], refusal.code, str(refusal))
        except Exception:
            log.exception("inquiry=%s could not be rendered", inquiry.id)
            fail_inquiries(engine, [inquiry], *UNEXPECTED)
    if read:
        read.sort(key=lambda one: "comparison_id" in one.inquiry.request)
        _embed(engine, loaded, read, token_budget)
    for inquiry in inquiries:
        if inquiry.kind != "embedding":
            _remeasure(engine, loaded, inquiry, token_budget, stopping)


def fail_inquiries(engine: Engine, inquiries: list[ClaimedInquiry], reason: str, message: str) -> None:
    """Store, for each inquiry, why it has no answer."""
    with engine.begin() as connection:
        for inquiry in inquiries:
            fail_inquiry(connection, inquiry, reason, message)


def _embed(engine: Engine, loaded: LoadedModel, read: list[_Read], token_budget: int) -> None:
    """All in one batch, or each alone where the batch fails."""
    try:
        measured = analyse(
            loaded.model,
            [one.rendered for one in read],
            token_budget=token_budget,
            options=CaptureOptions(flow=False, turn_embeddings=False),
        )
        for one, measurement in zip(read, measured, strict=True):
            response: dict[str, Any] = {"version_key": loaded.version_key, **_point(loaded, one.inquiry, measurement)}
            if comparison_id := one.inquiry.request.get("comparison_id"):
                if not _waited_for(engine, one.inquiry):
                    continue
                from workers.inquiries.map_points import place_on_map  # scipy and openTSNE, which most do without

                response["placed"] = place_on_map(engine, comparison_id, loaded.version_key, measurement.embedding)
            with engine.begin() as connection:
                answer_inquiry(connection, one.inquiry, response)
    except Exception as error:
        if database_is_away(error):
            raise
        if len(read) > 1:
            for one in read:
                _embed(engine, loaded, [one], token_budget)
        elif isinstance(error, HearkenError):
            fail_inquiries(engine, [read[0].inquiry], error.code, str(error))
        else:
            log.exception("inquiry=%s failed", read[0].inquiry.id)
            fail_inquiries(engine, [read[0].inquiry], *UNEXPECTED)


def _point(loaded: LoadedModel, inquiry: ClaimedInquiry, measured: Measurement) -> dict[str, list[float]]:
    """The document's point in the requested space, under the name of the space."""
    if inquiry.request.get("space") != "profile":
        return {"embedding": measured.embedding.tolist()}
    if loaded.scale is None:
        raise HearkenError("this model's attention profiles cannot be searched; the operator's log tells why")
    heads = {metric: measured.heads[metric][None] for metric in PROFILE_METRICS}
    return {"profile": loaded.scale.scale.points(profiles(heads))[0].tolist()}


def _waited_for(engine: Engine, inquiry: ClaimedInquiry) -> bool:
    with engine.connect() as connection:
        return still_waited_for(connection, inquiry)


def _remeasure(
    engine: Engine, loaded: LoadedModel, inquiry: ClaimedInquiry, token_budget: int, stopping: Callable[[], bool]
) -> None:
    try:
        layout, body = pack(remeasure(engine, loaded, inquiry, token_budget, stopping))
        with engine.begin() as connection:
            answer_inquiry(connection, inquiry, layout, body)
    except ModelChanged:
        fail_inquiries(engine, [inquiry], *MODEL_CHANGED)
    except HearkenError as refusal:
        fail_inquiries(engine, [inquiry], refusal.code, str(refusal))
    except Exception as error:
        if database_is_away(error):
            raise
        log.exception("inquiry=%s failed", inquiry.id)
        fail_inquiries(engine, [inquiry], *UNEXPECTED)
