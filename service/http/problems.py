"""Everything that can go wrong, as problem types (RFC 9457), each with a page under /problems/ that says what to do.

Problem
├── REQUESTS      what was sent cannot be taken as it is
├── ACCESS        who sent it, and from where
├── RESOURCES     what it names is not there, or not ready, or in use
├── LIMITS        more than this installation takes
├── DOCUMENTS     a document cannot be measured as it was given (also the reason of a failed document)
├── MODELS        a model cannot be measured, or is not at hand (likewise)
├── WORK          a job came to no result (likewise)
└── SERVICE       this installation cannot answer now
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.schemas.problems import FieldError

MEDIA_TYPE = "application/problem+json"
PATH = "/problems/"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One way to go wrong: `title` says what it is, `remedy` what to do about it."""

    name: str
    status: int
    title: str
    remedy: str

    @property
    def url(self) -> str:
        """Where its page is, from the root of the service."""
        return PATH + self.name


class Problem(Exception):  # noqa: N818 - the word of the standard
    """An answer that says what went wrong. `members` are further members of the problem document."""

    def __init__(
        self,
        kind: ProblemType,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail or kind.remedy)
        self.kind = kind
        self.detail = detail or kind.remedy
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.members = members

    def document(self, instance: str) -> dict[str, Any]:
        """The problem document (RFC 9457) of this problem for the request path `instance`."""
        document: dict[str, Any] = {
            "type": self.kind.url,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "instance": instance,
        }
        if self.errors:
            document["errors"] = [error.model_dump(exclude_none=True) for error in self.errors]
        return document | self.members


def field_problem(kind: ProblemType, pointer: str, message: str, **members: Any) -> Problem:
    """The problem of one field that is wrong."""
    return Problem(kind, message, errors=[FieldError(pointer=pointer, message=message)], **members)


INVALID_REQUEST = ProblemType(
    "invalid-request",
    422,
    "The request does not follow the contract",
    "`errors` names each field that is wrong and what is expected there. The contract stands under /docs.",
)
MALFORMED_JSON = ProblemType(
    "malformed-json", 400, "The body is not JSON", "Send one JSON object in UTF-8; `detail` says where reading stopped."
)
BAD_HEADER = ProblemType(
    "bad-header", 400, "A header cannot be understood", "`errors` names the header and the form that it must have."
)
BAD_CURSOR = ProblemType(
    "bad-cursor",
    400,
    "The cursor is not of this list",
    "Give `next` of the page before unchanged, with the same sort order; without `cursor` the list begins anew.",
)
UNSUPPORTED_MEDIA_TYPE = ProblemType(
    "unsupported-media-type",
    415,
    "The body has a type that is not taken here",
    "Send `application/json`; a data set as JSON Lines (`application/x-ndjson`), CSV (`text/csv`) or Parquet "
    "(`application/vnd.apache.parquet`), or one of these in a form. Never compressed as a whole.",
)
METHOD_NOT_ALLOWED = ProblemType(
    "method-not-allowed", 405, "The method does not exist here", "The header `Allow` names those that do."
)
BAD_DATASET = ProblemType(
    "bad-dataset",
    422,
    "The data set has documents that cannot be taken",
    "`errors` names the first 20 lines or rows and their faults, or what is wrong with all of the file. Nothing was "
    "stored: mend it and send all of it again.",
)
IDEMPOTENCY_KEY_REUSED = ProblemType(
    "idempotency-key-reused",
    422,
    "The Idempotency-Key belongs to another request",
    "Send a new key with a new request; send the same key only with exactly the same method, path and body.",
)
IDEMPOTENCY_KEY_IN_PROGRESS = ProblemType(
    "idempotency-key-in-progress",
    409,
    "The first request with this Idempotency-Key is still being accepted",
    "Send the request again in a moment; it is then answered like the first one.",
)
IDEMPOTENCY_KEY_FORGOTTEN = ProblemType(
    "idempotency-key-forgotten",
    410,
    "What the first request with this Idempotency-Key made was deleted",
    "Send a new key.",
)
UNAUTHENTICATED = ProblemType(
    "unauthenticated",
    401,
    "A key is needed",
    "Send `Authorization: Bearer hk_...`. A key is made with `hearken keys create --tenant NAME`.",
)
NOT_LOCAL = ProblemType(
    "not-local",
    403,
    "Without keys only this machine is served",
    "Use a loopback address such as http://127.0.0.1, or have the operator set HEARKEN_AUTH=keys.",
)
NOT_FOUND = ProblemType(
    "not-found",
    404,
    "There is nothing here",
    "Check the address and the id. What belongs to another tenant cannot be told from what does not exist.",
)
NO_RESULT_YET = ProblemType(
    "no-result-yet",
    409,
    "The comparison has no result yet",
    "Follow its job; the report and the figures are there once it has succeeded.",
)
STILL_IN_USE = ProblemType(
    "still-in-use",
    409,
    "An unfinished job needs it",
    "Cancel the job with `POST /v1/jobs/{id}/cancel`, or wait until it is done.",
)
MODEL_UNKNOWN = ProblemType(
    "model-unknown", 422, "No such model is served", "`GET /v1/models` lists the ids that can be named."
)
DATASET_UNKNOWN = ProblemType(
    "dataset-unknown", 422, "The data set does not exist", "`GET /v1/datasets` lists what there is."
)
ANALYSIS_UNKNOWN = ProblemType(
    "analysis-unknown", 422, "The analysis does not exist", "`GET /v1/analyses` lists what there is."
)
NO_DOCUMENTS = ProblemType(
    "no-documents",
    422,
    "Nothing is left to measure",
    "Check the data set and the domain; domains are told apart by case.",
)
TOO_FEW_DOCUMENTS = ProblemType(
    "too-few-documents",
    422,
    "A group has too few documents",
    "A comparison needs at least `limit` documents in each group, or its intervals and tests say nothing.",
)
MODEL_CHANGED = ProblemType(
    "model-changed",
    409,
    "The model is not what the analysis was made with",
    "What is not stored can be measured anew only by the same weights. Send the document again.",
)
WINDOW_TOO_LARGE = ProblemType(
    "window-too-large",
    422,
    "The windows are larger than a model's context",
    "Choose `window_tokens` of at most the context of every model named; `GET /v1/models` shows it.",
)
WRONG_DIMENSION = ProblemType(
    "wrong-dimension",
    422,
    "The vector has another length than the model's",
    "Send a vector of as many numbers as the model's hidden size; `GET /v1/models` shows it.",
)
BODY_TOO_LARGE = ProblemType(
    "body-too-large",
    413,
    "The body is larger than is taken",
    "Send less at once: many documents go as a data set, and one data set may be split into several.",
)
DOCUMENT_TOO_LARGE = ProblemType(
    "document-too-large",
    422,
    "The document is longer than is taken",
    "Split the document; `limit` and `actual` give the numbers.",
)
QUEUE_FULL = ProblemType(
    "queue-full", 429, "Too much is waiting already", "Wait until some documents are done, or cancel a job."
)

DOCUMENT_REASONS = {
    "document-refused": ("The document cannot be measured", "The message says what is wrong with it."),
    "document-empty": ("The document is empty", "Give it at least one character that a tokenizer reads."),
    "document-empty-turn": ("A turn is empty", "Remove the turn that is named, or give it text."),
    "document-bad-speaker": ("A speaker's name cannot be used", "Give each speaker a plain name on one line."),
    "document-unreadable-text": ("The text has characters that cannot be read", "Remove what the message names."),
    "document-too-long": (
        "The document is longer than the model's context",
        "Send `overflow: window` to measure it in windows, or `truncate` to measure its beginning.",
    ),
    "detail-too-large": (
        "There is more than is given out at once",
        "The message says how much there is and how much is given out; ask for less, or for a shorter document.",
    ),
    "too-short": (
        "The document is shorter than the windows",
        "Choose smaller `window_tokens`, or leave the document out of the comparison.",
    ),
    "document-bad-transcript": ("The transcript does not follow its format", "Mend the line that is named."),
    "document-chat-template-refused": (
        "The model's chat template does not take these messages",
        "Send the roles that the template knows, in the order that it wants, or send a `conversation` instead.",
    ),
    "document-spans-unclear": (
        "The tokens could not be given to turns exactly",
        "Send the conversation with plain text in the turns, or use another model.",
    ),
    "document-token-unknown": (
        "The model has no embedding for a token of the document",
        "Leave the token out, or use another model.",
    ),
    "document-not-finite": (
        "The model's own arithmetic overflowed on the document",
        "Use a model that is served in a wider dtype, such as float32.",
    ),
    "out-of-memory": (
        "One window of the document does not fit into the worker's memory",
        "Use a model with a shorter context, or ask the operator for a smaller `max_tokens` in the models file.",
    ),
    "comparison-refused": ("The comparison cannot be made", "The message says which groups or settings are at fault."),
}
MODEL_REASONS = {
    "model-refused": (
        "The model cannot be measured",
        "Use another model; `GET /v1/models` says why this one is refused.",
    ),
    "model-family-not-proven": (
        "The model's family is not proven",
        "Its captured attention does not equal its own eager attention, or cannot be checked. Use another model.",
    ),
    "model-attention-free": ("The model does not attend", "Use a model with attention layers."),
    "model-encoder-decoder": ("The model reads one sequence and writes another", "Use an encoder or a decoder alone."),
    "model-remote-code": (
        "The model wants to run its own code",
        "Use a model of a family that needs no code of its own.",
    ),
    "model-unsafe-weights": ("The weights are not in safetensors files", "Convert the weights to safetensors first."),
    "model-wrong-digest": (
        "The weights are not those that were asked for",
        "Compare the `sha256` of the models file with the files that were fetched.",
    ),
    "model-incomplete": ("Weights are missing", "Fetch or copy the model again, all of its files."),
    "model-weights-without-place": (
        "Weights would be left out",
        "Correct the model's configuration to what its weights are, or save it again as the problem says.",
    ),
    "model-quantization-unknown": (
        "The weights are quantized in a way that is not known",
        "Serve the model from plain weights, or from a format that is read.",
    ),
    "model-adapter-refused": (
        "The adapter cannot be merged",
        "Serve the adapter over the model that it was trained on, or merge it yourself and serve the whole model.",
    ),
    "model-revision-missing": ("The revision is missing", "Name the commit of the model in the models file."),
    "model-slow-tokenizer": ("The tokenizer cannot say where tokens stand", "Use a model with a fast tokenizer."),
    "capture-incomplete": ("Not every layer's attention was seen", "Use another model, and report this one."),
    "capture-failed": (
        "The model fails while it reads",
        "Use another model, or ask the operator for a smaller `max_tokens`, and report this one.",
    ),
}
UNAVAILABLE_REASONS = {
    "model-unavailable": ("The model is not at hand", "Try again later, or ask the operator."),
    "model-hub-unreachable": (
        "The model's hub cannot be reached",
        "Try again later, or have the operator fetch the model.",
    ),
    "model-folder-missing": ("The model's folder is missing", "Ask the operator to mend the models file."),
    "model-device-missing": ("The model's device is missing", "Ask the operator to mend `device` in the models file."),
    "model-too-little-memory": (
        "The model does not fit into memory",
        "Ask the operator for a smaller dtype, another device or more memory.",
    ),
}
JOB_CANCELLED = ProblemType(
    "job-cancelled",
    409,
    "The job was cancelled",
    "It was cancelled by somebody, or its `Cancel-After` passed. Send the request again if it is still wanted.",
)
MEASURING_FAILED = ProblemType(
    "measuring-failed",
    500,
    "Measuring failed",
    "This is a fault of the service. Ask the operator for the worker's log.",
)
STORING_FAILED = ProblemType(
    "storing-failed",
    500,
    "Storing the results took too long, more than once",
    "The document was measured, and storing it alone took longer than the database may take while others were stored. "
    "Send a shorter document, or ask the operator for the worker's log.",
)
SUMMARY_FAILED = ProblemType(
    "summary-failed",
    500,
    "The comparison's summary could not be made",
    "This is a fault of the service; the documents were measured. Ask the operator for the worker's log.",
)
INTERRUPTED = ProblemType("interrupted", 503, "The work was interrupted", "Send the request again.")
WORKER_LOST = ProblemType(
    "worker-lost",
    500,
    "The worker was lost more than once over this work alone",
    "Send less at once (a shorter document, fewer documents), or ask the operator for the worker's log.",
)
INTERNAL_ERROR = ProblemType(
    "internal-error",
    500,
    "The service made a mistake",
    "Nothing that you sent is at fault. Tell the operator the `incident`, under which the log has the details.",
)
MODEL_BUSY = ProblemType(
    "model-busy",
    503,
    "No worker answered in time",
    "Try again after `Retry-After` seconds. `GET /readyz` says whether a worker for the model is alive.",
)
DATABASE_UNAVAILABLE = ProblemType(
    "database-unavailable", 503, "The database cannot be reached", "Try again after `Retry-After` seconds."
)
STORAGE_FULL = ProblemType(
    "storage-full",
    507,
    "There is no room to store it",
    "Nothing of the request was stored. Try again after `Retry-After` seconds; the operator has to make room, or "
    "delete what is not needed any more.",
)
NOT_READY = ProblemType(
    "not-ready", 503, "Not everything is there yet", "`checks` says what is missing. Work that is accepted now waits."
)

CLASSES: dict[str, tuple[ProblemType, ...]] = {
    "Requests": (
        INVALID_REQUEST,
        MALFORMED_JSON,
        BAD_HEADER,
        BAD_CURSOR,
        UNSUPPORTED_MEDIA_TYPE,
        METHOD_NOT_ALLOWED,
        BAD_DATASET,
        IDEMPOTENCY_KEY_REUSED,
        IDEMPOTENCY_KEY_IN_PROGRESS,
        IDEMPOTENCY_KEY_FORGOTTEN,
    ),
    "Access": (UNAUTHENTICATED, NOT_LOCAL),
    "Resources": (
        NOT_FOUND,
        NO_RESULT_YET,
        STILL_IN_USE,
        MODEL_UNKNOWN,
        DATASET_UNKNOWN,
        ANALYSIS_UNKNOWN,
        NO_DOCUMENTS,
        TOO_FEW_DOCUMENTS,
        MODEL_CHANGED,
        WINDOW_TOO_LARGE,
        WRONG_DIMENSION,
    ),
    "Limits": (BODY_TOO_LARGE, DOCUMENT_TOO_LARGE, QUEUE_FULL),
    "Documents": tuple(ProblemType(name, 422, *words) for name, words in DOCUMENT_REASONS.items()),
    "Models": (
        *(ProblemType(name, 422, *words) for name, words in MODEL_REASONS.items()),
        *(ProblemType(name, 503, *words) for name, words in UNAVAILABLE_REASONS.items()),
    ),
    "Work": (JOB_CANCELLED, MEASURING_FAILED, STORING_FAILED, SUMMARY_FAILED, INTERRUPTED, WORKER_LOST),
    "Service": (INTERNAL_ERROR, MODEL_BUSY, DATABASE_UNAVAILABLE, STORAGE_FULL, NOT_READY),
}
PROBLEM_TYPES: dict[str, ProblemType] = {kind.name: kind for kinds in CLASSES.values() for kind in kinds}


def failure(reason: str | None, message: str | None) -> Problem:
    """The problem of work that failed for `reason`; a reason without a type of its own is a fault of the service."""
    return Problem(PROBLEM_TYPES.get(reason or "", MEASURING_FAILED), message)
