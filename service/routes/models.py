"""The served models."""

from typing import Any

from fastapi import APIRouter

from models.queries.reading.model_status import models_and_workers
from models.schemas.served_models import ServedModel, ServedModels
from models.settings import ModelEntry
from models.states import ModelState
from service.auth.tenant import Secured, Tenant
from service.context import AppContextDep
from service.http.openapi import problems

router = APIRouter(prefix="/v1/models", tags=["models"], dependencies=[Secured])

FACTS = (
    "revision", "architecture", "layers", "heads", "key_value_heads", "hidden_size", "context", "causal", "parameters",
    "weights_sha256", "attending_layers", "kernel",
    "ignored_tensors", "quantization", "adapter", "notes",
)  # fmt: skip


@router.get("", responses=problems())
async def get_models(context: AppContextDep, tenant: Tenant) -> ServedModels:
    """Every model that can be named here, the default first."""
    del tenant  # known, and all tenants see the same models
    rows, workers = await context.database.read(models_and_workers, context.settings.worker_alive_seconds)
    first = context.entries[0].id
    return ServedModels(
        items=[
            _served(entry, rows.get(entry.id), workers.get(entry.id, 0), default=entry.id == first)
            for entry in context.entries
        ]
    )


def _served(entry: ModelEntry, row: Any, workers: int, *, default: bool) -> ServedModel:
    facts = (row.facts if row is not None else None) or {}
    return ServedModel(
        id=entry.id,
        default=default,
        state=row.state if row is not None else ModelState.REGISTERED,
        reason=row.reason if row is not None else None,
        message=row.message if row is not None else None,
        workers=workers,
        dtype=facts.get("dtype", entry.dtype),
        device=facts.get("device", entry.device),
        **{name: facts.get(name) for name in FACTS},
    )
