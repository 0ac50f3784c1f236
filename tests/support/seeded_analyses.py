"""Analyses written straight into a database, thousands in one statement, as workers leave them behind."""

from typing import Any

from sqlalchemy import Connection, text

from attention.definitions import CONVERSATION_METRIC_NAMES, METRIC_NAMES
from models.identifiers import new_identifier
from models.tables import LOCAL_TENANT

LAYERS = 3


def value_of(metric: str, number: int, layer: int | None = None) -> float | None:
    """What the analysis of this number, from 1, was given for a metric, or for a metric of a layer."""
    if metric in CONVERSATION_METRIC_NAMES and number % 2:
        return None
    return number / 8 + METRIC_NAMES.index(metric) + (0 if layer is None else (layer + 1) * 1000)


def add_analyses(
    connection: Connection,
    count: int,
    *,
    tenant_id: str = LOCAL_TENANT,
    model: str = "all-MiniLM-L6-v2",
    listed: bool = True,
    external_id: str = "call",
) -> str:
    """A finished batch: texts where the number is odd, conversations where it is even. Returns its job.

    Each analysis is made a millisecond after the one before. Odd ones are in domain `prose` with the label `half`:
    `odd`, even ones in no domain; the external id is the given one, a hyphen and the number.
    """
    job_id = new_identifier("job")
    given: dict[str, Any] = {"tenant": tenant_id, "model": model, "job": job_id, "count": count, "listed": listed}
    given |= {"external": external_id, "layers": LAYERS}
    for statement in _STATEMENTS:
        connection.execute(text(statement), given)
    return job_id


def _metrics(number: str, layer: str = "") -> str:
    """SQL for every metric's value, as `value_of` has it."""
    cells = []
    for place, name in enumerate(METRIC_NAMES):
        value = f"{number} / 8.0 + {place}{layer}"
        cells.append(f"CASE WHEN {number} % 2 = 0 THEN {value} END" if name in CONVERSATION_METRIC_NAMES else value)
    return ", ".join(cells)


_NAMES = ", ".join(METRIC_NAMES)
_HEADS = ", ".join(f"{name}_heads" for name in METRIC_NAMES)
_EMPTY = ", ".join(["ARRAY[]::real[]"] * len(METRIC_NAMES))
_STATEMENTS = (
    """INSERT INTO model_version (model_id, revision, weights_sha256, dtype, dimension, facts)
       VALUES (:model, 'c0ffee', 'beef', 'float32', 384, '{}') ON CONFLICT DO NOTHING""",
    """INSERT INTO job (id, tenant_id, kind, state, request, total, started_at, finished_at)
       VALUES (:job, :tenant, 'batch', 'succeeded', '{}', :count, now(), now())""",
    """INSERT INTO document
           (id, tenant_id, position, external_id, domain, labels, content, content_sha256, characters)
       SELECT CAST(:job AS text) || '-doc-' || n, :tenant, n, CAST(:external AS text) || '-' || n,
           CASE WHEN n % 2 = 1 THEN 'prose' END,
           CASE WHEN n % 2 = 1 THEN jsonb_build_object('half', 'odd') ELSE '{}' END,
           jsonb_build_object('text', 'a'), '\\x00', 1
       FROM generate_series(1, :count) n""",
    """INSERT INTO work_item
           (tenant_id, job_id, document_id, model_id, options, request_key, priority, estimated_tokens, state)
       SELECT d.tenant_id, :job, d.id, :model, '{}', '\\x00', 0, 1, 'done' FROM document d
       WHERE d.id LIKE CAST(:job AS text) || '-doc-%'""",
    f"""INSERT INTO measurement
           (tenant_id, work_key, version_key, definitions, tokens, turns, speakers, windows, truncated, left_out_rows,
            {_NAMES})
       SELECT :tenant, convert_to(CAST(:job AS text) || n, 'UTF8'),
           (SELECT max(key) FROM model_version WHERE model_id = :model), 'hearken-metrics/1', n + 10,
           CASE WHEN n % 2 = 0 THEN 4 END, CASE WHEN n % 2 = 0 THEN ARRAY['Ana', 'Bo'] ELSE ARRAY[]::text[] END,
           1, n % 5 = 0, n % 3, {_metrics("n")}
       FROM generate_series(1, :count) n""",
    """INSERT INTO analysis
           (id, tenant_id, job_id, work_item_id, document_id, measurement_id, model_id, listed, cached, timing,
            created_at)
       SELECT 'an_' || d.id, :tenant, :job, w.id, d.id, m.id, :model, :listed, d.position % 7 = 0, '{}',
           timestamptz '2026-01-01Z' + d.position * interval '1 millisecond'
       FROM work_item w
       JOIN document d ON d.id = w.document_id
       JOIN measurement m
           ON m.tenant_id = :tenant AND m.work_key = convert_to(CAST(:job AS text) || d.position, 'UTF8')
       WHERE w.job_id = :job""",
    f"""INSERT INTO measurement_layer (measurement_id, layer, {_NAMES}, {_HEADS})
       SELECT a.measurement_id, l, {_metrics("d.position", " + (l + 1) * 1000")}, {_EMPTY}
       FROM analysis a
       JOIN document d ON d.id = a.document_id, generate_series(0, :layers - 1) l
       WHERE a.job_id = :job""",
)
