"""The tables, as SQLAlchemy Core sees them. What each row means stands above it; times are UTC.

A *document* is what a client sent. A *work item* is one document to be measured under one model for one job. A
*measurement* is the numbers, made once per tenant for equal work; an *analysis* is one job's use of a measurement.
"""

from collections.abc import Iterable
from typing import Any

from pgvector.sqlalchemy import VECTOR
from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from attention.definitions import METRIC_NAMES, TURN_METRIC_NAMES
from models.states import InquiryState, ItemState, JobState, SegmentState, SummaryState

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

JOB_KINDS = ("analysis", "batch", "comparison")
INQUIRY_KINDS = ("embedding", "tokens", "attention", "flow_heads", "comparison_file")
LOCAL_TENANT = "local"  # the one tenant of an installation with AUTH=open

INTERACTIVE, BACKGROUND = 100, 0  # priorities: a POST that someone waits for, and data sets


def _id() -> Column[str]:
    return Column("id", Text, primary_key=True)


def _created_at() -> Column[Any]:
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


def _tenant() -> Column[str]:
    return Column("tenant_id", Text, ForeignKey("tenant.id", ondelete="CASCADE"), nullable=False)


def _one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    named = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({named})", name=column)


def _lease() -> tuple[Column[Any], ...]:
    """Who holds a claim and until when. The token fences: a store with an older token changes nothing."""
    return (
        Column("lease_token", BigInteger),
        Column("leased_until", DateTime(timezone=True)),
        Column("worker_id", Text),
    )


def _failure() -> tuple[Column[Any], ...]:
    """Why it failed: `reason` is a problem type's name, `message` a sentence for the client."""
    return (Column("reason", Text), Column("message", Text))


def _one_vector(table: str) -> tuple[Column[Any] | CheckConstraint, ...]:
    """A vector, or in `wide` one of more numbers than pgvector's types hold."""
    either = CheckConstraint("num_nonnulls(embedding, wide) = 1", name=f"{table}_one_vector_check")
    return Column("embedding", VECTOR), Column("wide", ARRAY(REAL)), either


# Whose rows are whose. With AUTH=open there is one tenant, `local`.
tenant = Table("tenant", metadata, _id(), Column("name", Text, nullable=False, unique=True), _created_at())

# A key is shown once; only its SHA-256 is kept.
api_key = Table(
    "api_key",
    metadata,
    _id(),
    _tenant(),
    Column("secret_sha256", LargeBinary, nullable=False, unique=True),
    Column("hint", Text, nullable=False),
    _created_at(),
    Column("revoked_at", DateTime(timezone=True)),
)

# A browser that signed in with a key, and stays so until then or until the key is revoked.
sign_in = Table(
    "sign_in",
    metadata,
    Column("secret_sha256", LargeBinary, primary_key=True),
    Column("key_id", Text, ForeignKey("api_key.id", ondelete="CASCADE"), nullable=False),
    _created_at(),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Index(None, "key_id"),
    Index(None, "expires_at"),
)

# What the workers report of each entry of the models file. `facts` is attention.model.model.ModelFacts.
model = Table(
    "model",
    metadata,
    _id(),
    Column("state", Text, nullable=False),  # a ModelState
    *_failure(),
    Column("facts", JSONB),
    Column("version_key", BigInteger, ForeignKey("model_version.key")),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# Exact weights that measurements were made with; the key is part of the partial vector indexes' names.
model_version = Table(
    "model_version",
    metadata,
    Column("key", BigInteger, Identity(), primary_key=True),
    Column("model_id", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("weights_sha256", Text, nullable=False),
    Column("dtype", Text, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("facts", JSONB, nullable=False),
    _created_at(),
    UniqueConstraint("model_id", "revision", "weights_sha256", "dtype"),
)

# A worker process that is alive while its heartbeat is young.
worker = Table(
    "worker",
    metadata,
    _id(),
    Column("models", ARRAY(Text), nullable=False),
    Column("summaries", Boolean, nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("heartbeat_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# `documents` and `domains` count its documents, those of each domain by its name.
dataset = Table(
    "dataset",
    metadata,
    _id(),
    _tenant(),
    Column("name", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("documents", Integer, nullable=False, server_default=text("0")),
    Column("domains", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("passed_over", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("reading", JSONB(none_as_null=True)),
    _created_at(),
    Index(None, "tenant_id", "created_at", "id"),
)

# One conversation or text as sent: content is {"text"}, {"turns": [{speaker, text, start?, end?}]} or
# {"messages": [{role, content, name?, tool_calls?, tool_call_id?}]}. `reading` is what a transcript was taken for.
document = Table(
    "document",
    metadata,
    _id(),
    _tenant(),
    Column("dataset_id", Text, ForeignKey("dataset.id", ondelete="CASCADE")),
    Column("position", Integer, nullable=False),
    Column("external_id", Text),
    Column("domain", Text),
    Column("labels", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("cluster", Text),
    Column("content", JSONB, nullable=False),
    Column("content_sha256", LargeBinary, nullable=False),
    Column("characters", Integer, nullable=False),
    Column("reading", JSONB(none_as_null=True)),
    _created_at(),
    Index(None, "dataset_id", "position", unique=True, postgresql_where=text("dataset_id IS NOT NULL")),
    Index(None, "dataset_id", "domain", "position"),
    Index(None, "tenant_id", "external_id", postgresql_where=text("external_id IS NOT NULL")),
    Index(None, "labels", postgresql_using="gin", postgresql_ops={"labels": "jsonb_path_ops"}),
)

# Progress is counted from the work items as long as the job is unfinished. What it was in the end is kept in `counts`
# (`models.queries.queue.job_counts`), where there is more than one item.
job = Table(
    "job",
    metadata,
    _id(),
    _tenant(),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=JobState.QUEUED),
    Column("request", JSONB, nullable=False),
    Column("total", Integer, nullable=False),
    Column("counts", JSONB(none_as_null=True)),
    Column("cancel_requested_at", DateTime(timezone=True)),
    Column("cancel_after", DateTime(timezone=True)),
    *_failure(),
    _created_at(),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    _one_of("kind", JOB_KINDS),
    _one_of("state", JobState),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "cancel_after", postgresql_where=text("cancel_after IS NOT NULL AND finished_at IS NULL")),
    Index("job_open", "id", postgresql_where=text("finished_at IS NULL")),
)

# `alone` is set after a lost lease: then the item is claimed by itself, and only losses while alone count. `timeouts`
# counts how often storing it by itself took too long while others were stored; `timed_out_at` is when it last did.
# A finished item outlives its document (which is null then), so that a job's counts stay true after a deletion.
work_item = Table(
    "work_item",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    _tenant(),
    Column("job_id", Text, ForeignKey("job.id", ondelete="CASCADE"), nullable=False),
    Column("document_id", Text, ForeignKey("document.id", ondelete="SET NULL")),
    Column("model_id", Text, nullable=False),
    Column("group_position", SmallInteger),
    Column("options", JSONB, nullable=False),
    Column("request_key", LargeBinary, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("estimated_tokens", Integer, nullable=False),
    Column("state", Text, nullable=False, server_default=ItemState.QUEUED),
    Column("alone", Boolean, nullable=False, server_default=text("false")),
    Column("losses", SmallInteger, nullable=False, server_default=text("0")),
    Column("timeouts", SmallInteger, nullable=False, server_default=text("0")),
    Column("timed_out_at", DateTime(timezone=True)),
    *_lease(),
    *_failure(),
    Column("queued_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    _one_of("state", ItemState),
    Index("work_item_head", "model_id", text("priority DESC"), "id", postgresql_where=text("state = 'queued'")),
    Index(
        "work_item_like_length",
        "model_id",
        "priority",
        "estimated_tokens",
        "id",
        postgresql_where=text("state = 'queued'"),
    ),
    Index("work_item_leases", "leased_until", postgresql_where=text("state = 'running'")),
    Index("work_item_held", "lease_token", postgresql_where=text("state = 'running'")),
    Index("work_item_waiting", "tenant_id", postgresql_where=text("state = 'queued'")),
    Index(None, "job_id", "state"),
    Index(None, "document_id"),
)

# The numbers of one document under one model. `work_key` names rendered ids and spans, weights, dtype and settings.
# Where `profiled` is false, the sweeper has yet to make its row of `profile`.
measurement = Table(
    "measurement",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    _tenant(),
    Column("work_key", LargeBinary, nullable=False),
    Column("version_key", BigInteger, ForeignKey("model_version.key"), nullable=False),
    Column("definitions", Text, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("turns", Integer),
    Column("speakers", ARRAY(Text), nullable=False),
    Column("windows", Integer, nullable=False),
    Column("truncated", Boolean, nullable=False),
    Column("left_out_rows", BigInteger, nullable=False),
    *(Column(name, Double) for name in METRIC_NAMES),
    Column("profiled", Boolean, nullable=False, server_default=text("false")),
    _created_at(),
    UniqueConstraint("tenant_id", "work_key"),
    Index("measurement_unprofiled", "version_key", "id", postgresql_where=text("NOT profiled")),
)

# Per layer: each metric's mean over heads in a column, the heads beside it; `flow` is T x (T+1), row by row.
measurement_layer = Table(
    "measurement_layer",
    metadata,
    Column("measurement_id", BigInteger, ForeignKey("measurement.id", ondelete="CASCADE"), primary_key=True),
    Column("layer", SmallInteger, primary_key=True),
    *(Column(name, Double) for name in METRIC_NAMES),
    *(Column(f"{name}_heads", ARRAY(REAL), nullable=False) for name in METRIC_NAMES),
    Column("flow", ARRAY(REAL)),
)

# Per layer: each metric of the document's first window by itself, which stands beside the windows of a comparison. The
# window's value over all layers is the mean of these.
measurement_first_window = Table(
    "measurement_first_window",
    metadata,
    Column("measurement_id", BigInteger, ForeignKey("measurement.id", ondelete="CASCADE"), primary_key=True),
    Column("layer", SmallInteger, primary_key=True),
    *(Column(name, Double) for name in METRIC_NAMES),
)

# What the last hidden states' mean is to the document, each layer's is here; only documents of comparisons have them.
layer_embedding = Table(
    "layer_embedding",
    metadata,
    Column("measurement_id", BigInteger, ForeignKey("measurement.id", ondelete="CASCADE"), primary_key=True),
    Column("layer", SmallInteger, primary_key=True),
    *_one_vector("layer_embedding"),
)

# Per turn of a conversation: means over its content tokens, heads and layers. `speaker` counts in the measurement's
# `speakers`; a turn of which no token was read has none.
measurement_turn = Table(
    "measurement_turn",
    metadata,
    Column("measurement_id", BigInteger, ForeignKey("measurement.id", ondelete="CASCADE"), primary_key=True),
    Column("turn", Integer, primary_key=True),
    Column("speaker", Integer),
    Column("tokens", Integer, nullable=False),
    *(Column(name, Double) for name in TURN_METRIC_NAMES),
)

# What was asked, before any tokenizer saw it, and the measurement it led to: lets a POST find equal work at once.
known_request = Table(
    "known_request",
    metadata,
    Column("tenant_id", Text, ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True),
    Column("request_key", LargeBinary, primary_key=True),
    Column("version_key", BigInteger, ForeignKey("model_version.key"), primary_key=True),
    Column("measurement_id", BigInteger, ForeignKey("measurement.id", ondelete="CASCADE"), nullable=False),
    Index(None, "measurement_id"),
)

# A document's embedding. Vectors of every size share the table; graphs over stretches of it, those of one model version
# each, are built in the background (see `models.queries.search.segments`).
embedding = Table(
    "embedding",
    metadata,
    Column("measurement_id", BigInteger, ForeignKey("measurement.id", ondelete="CASCADE"), primary_key=True),
    _tenant(),
    Column("version_key", BigInteger, ForeignKey("model_version.key"), nullable=False),
    *_one_vector("embedding"),
    Index(None, "tenant_id", "version_key", "measurement_id"),
)

# The embeddings of a conversation's turns, many times as many.
turn_embedding = Table(
    "turn_embedding",
    metadata,
    Column("measurement_id", BigInteger, ForeignKey("measurement.id", ondelete="CASCADE"), primary_key=True),
    Column("turn", Integer, primary_key=True),
    _tenant(),
    Column("version_key", BigInteger, ForeignKey("model_version.key"), nullable=False),
    *_one_vector("turn_embedding"),
)

# By what the attention profiles of a model version are standardised (attention.measure.Scale), under one definition:
# measured from texts that come with the code, so it tells nothing of anybody's documents.
profile_scale = Table(
    "profile_scale",
    metadata,
    Column("key", BigInteger, Identity(), primary_key=True),
    Column("version_key", BigInteger, ForeignKey("model_version.key"), nullable=False),
    Column("definition", Text, nullable=False),
    Column("means", ARRAY(Double), nullable=False),
    Column("deviations", ARRAY(Double), nullable=False),
    _created_at(),
    UniqueConstraint("version_key", "definition"),
)

# A document's attention profile as a point to search among. One that stands at the mean everywhere has no direction,
# and no row.
profile = Table(
    "profile",
    metadata,
    Column("measurement_id", BigInteger, ForeignKey("measurement.id", ondelete="CASCADE"), primary_key=True),
    _tenant(),
    Column("scale_key", BigInteger, ForeignKey("profile_scale.key"), nullable=False),
    Column("profile", VECTOR, nullable=False),
    Index(None, "tenant_id", "scale_key", "measurement_id"),
)

# Vectors that are searched together: `key` is that of a model version, or of a scale in the space of profiles. Graphs
# are built of them once they are `wanted`. `waiting` is how many lie beyond the last graph, counted up to the
# measurement `counted_to`.
vector_index = Table(
    "vector_index",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("space", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("key", BigInteger, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("wanted", Boolean, nullable=False),
    Column("waiting", BigInteger, nullable=False, server_default=text("0")),
    Column("counted_to", BigInteger, nullable=False, server_default=text("0")),
    UniqueConstraint("space", "scope", "key"),
)

# A graph over the vectors of the measurements from `low` to before `high`; `state` is a SegmentState.
vector_segment = Table(
    "vector_segment",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("index_id", BigInteger, ForeignKey("vector_index.id", ondelete="CASCADE"), nullable=False),
    Column("low", BigInteger, nullable=False),
    Column("high", BigInteger, nullable=False),
    Column("vectors", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    _created_at(),
    _one_of("state", SegmentState),
    Index(None, "index_id", "low"),
)

# One document in one job. `listed` is false for rows made for a comparison.
analysis = Table(
    "analysis",
    metadata,
    _id(),
    _tenant(),
    Column("job_id", Text, ForeignKey("job.id", ondelete="CASCADE"), nullable=False),
    Column("work_item_id", BigInteger, ForeignKey("work_item.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("document_id", Text, ForeignKey("document.id", ondelete="CASCADE"), nullable=False),
    Column("measurement_id", BigInteger, ForeignKey("measurement.id"), nullable=False),
    Column("model_id", Text, nullable=False),
    Column("listed", Boolean, nullable=False),
    Column("cached", Boolean, nullable=False),
    Column("timing", JSONB, nullable=False),
    _created_at(),
    Index("analysis_listed", "tenant_id", "created_at", "id", postgresql_where=text("listed")),
    Index(None, "job_id", "created_at", "id"),
    Index(None, "measurement_id"),
    Index(None, "document_id"),
)

# `state` is that of the summary, a SummaryState.
comparison = Table(
    "comparison",
    metadata,
    _id(),
    _tenant(),
    Column("job_id", Text, ForeignKey("job.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("request", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default=SummaryState.WAITING),
    Column("losses", SmallInteger, nullable=False, server_default=text("0")),
    *_lease(),
    Column("result", JSONB),
    _created_at(),
    _one_of("state", SummaryState),
    Index(None, "tenant_id", "created_at", "id"),
    Index("comparison_open", "state", postgresql_where=text("state IN ('queued', 'running')")),
)

# The report and other files made from a comparison's result.
comparison_file = Table(
    "comparison_file",
    metadata,
    Column("comparison_id", Text, ForeignKey("comparison.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# Short work that someone waits for and that leaves no analysis behind: the embedding of a search text, what an
# analysis does not store, and a comparison's files, which need no model. `body` holds the arrays that `response`
# describes (see models.arrays).
inquiry = Table(
    "inquiry",
    metadata,
    _id(),
    _tenant(),
    Column("kind", Text, nullable=False),
    Column("model_id", Text),
    Column("request", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default=InquiryState.QUEUED),
    *_lease(),
    Column("response", JSONB),
    Column("body", LargeBinary),
    *_failure(),
    _created_at(),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    _one_of("kind", INQUIRY_KINDS),
    _one_of("state", InquiryState),
    Index("inquiry_queued", "model_id", "id", postgresql_where=text("state = 'queued'")),
    Index(None, "expires_at"),
)

# Wake-ups to be sent once the transaction that made the work has committed. Sent rows are deleted.
outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("queue", Text, nullable=False),
    _created_at(),
)

# The first answer to a key is found again through the job or data set that it made.
idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant_id", Text, ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body_sha256", LargeBinary, nullable=False),
    Column("resource", Text, nullable=False),
    _created_at(),
    Index(None, "created_at"),
)
