"""A client for a Hearken service, in the words of its HTTP contract.

>>> with Client("http://127.0.0.1:8321") as hearken:
...     analysis = hearken.analyze({"turns": [{"speaker": "Ana", "text": "Are you coming?"}]})
...     print(analysis.metrics.cross_speaker)

Every creating request carries an idempotency key, so one that got no answer is sent again without harm.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from hearken.errors import JobFailed, ProblemError, ServiceUnreachable
from models.schemas.analyses import Analysis, AnalysisEntry
from models.schemas.comparisons import Comparison, ComparisonEntry
from models.schemas.datasets import Dataset, DatasetBranches
from models.schemas.documents import Names
from models.schemas.jobs import Failure, Job
from models.schemas.listing import Statistics, Summary
from models.schemas.problems import ProblemDetails
from models.schemas.readings import ReadingAnswer
from models.schemas.search import SearchAnswer
from models.schemas.served_models import ServedModel, ServedModels
from models.schemas.tokens import AttentionWeights
from models.states import FINISHED, JobState

_Answer = TypeVar("_Answer", bound=BaseModel)

_MEDIA_TYPES = {
    ".jsonl": "application/jsonl",
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
    ".zip": "application/zip",
}
_ANY_FILE = "application/octet-stream"
_LONG_POLL_SECONDS = 20
_ATTEMPTS = 4
_TRANSIENT = (httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)


class Client:
    """One service, under one key. Safe to share between threads.

    Parameters
    ----------
    url: where it serves, such as ``http://127.0.0.1:8321``.
    key: ``hk_...``; None for a service with ``AUTH=open``.
    timeout: seconds without a byte before a request counts as lost.
    transport: another way to send requests, for tests.

    Every method raises a `hearken.errors.ClientError`.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = 90.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    # Analyses

    def analyze(
        self,
        document: str | Mapping[str, Any],
        *,
        model: str | None = None,
        include: Sequence[str] = (),
        on_progress: Callable[[Job], None] | None = None,
        **fields: Any,
    ) -> Analysis:
        """Measure one document and wait for its numbers.

        `document` is a text, or one of ``{"turns": [...]}``, ``{"messages": [...]}``, ``{"transcript": {"content":
        ..., "format": ..., "speakers": ..., "names": ...}}``.
        `fields` are the others of the contract: domain, external_id, labels, overflow, speaker_labels. `include` may
        name heads, turns, flow, flow_heads, tokens and embedding.
        """
        response = self._create("/v1/analyses", _analysis_body(document, model, fields))
        if response.status_code == httpx.codes.ACCEPTED:
            job = self.wait(_read(Job, response).id, on_progress=on_progress)
            if job.result is None:
                raise JobFailed(job)
            return _read(Analysis, self._get(job.result, include=",".join(include) or None))
        found = _read(Analysis, response)
        return self.analysis(found.id, include=include) if include else found

    def submit(self, document: str | Mapping[str, Any], *, model: str | None = None, **fields: Any) -> Job:
        """As `analyze`, without waiting: the job."""
        body = _analysis_body(document, model, fields)
        response = self._create("/v1/analyses", body, {"Prefer": "respond-async"})
        if response.status_code == httpx.codes.CREATED:  # answered from equal work at once
            return self.job(_read(Analysis, response).job_id)
        return _read(Job, response)

    def analysis(self, analysis_id: str, *, include: Sequence[str] = ()) -> Analysis:
        """One analysis; `include` may name heads, turns, flow, flow_heads, tokens and embedding."""
        return _read(Analysis, self._get(f"/v1/analyses/{analysis_id}", include=",".join(include) or None))

    def attention(self, analysis_id: str, *, layer: int, head: int, window: int = 0) -> AttentionWeights:
        """The weights of one head over one window of at most 1,024 tokens, measured anew."""
        found = self._get(f"/v1/analyses/{analysis_id}/attention", layer=layer, head=head, window=window)
        return _read(AttentionWeights, found)

    def analyses(self, **filters: Any) -> Iterator[AnalysisEntry]:
        """Every analysis that matches, page by page, newest first unless `sort` says otherwise."""
        return self._list(AnalysisEntry, "/v1/analyses", filters)

    def summary(self, by: str = "domain", **filters: Any) -> Summary:
        """How many analyses match, by `domain`, `model`, `day` or `label.KEY`."""
        return _read(Summary, self._get("/v1/analyses/summary", by=by, **filters))

    def statistics(self, metric: str, by: str | None = None, **filters: Any) -> Statistics:
        """How a metric is distributed among the analyses that match; `layer` among the filters takes that layer's."""
        return _read(Statistics, self._get("/v1/analyses/statistics", metric=metric, by=by, **filters))

    def change(self, analysis_id: str, **changes: Any) -> Analysis:
        """Change `domain`, `external_id` or `labels` of an analysis' document; None takes one away."""
        return _read(Analysis, self._request("PATCH", f"/v1/analyses/{analysis_id}", json=changes))

    def read(
        self,
        document: Path | Mapping[str, Any],
        *,
        layout: str | None = None,
        names: Names | None = None,
        branches: DatasetBranches | None = None,
    ) -> ReadingAnswer:
        """What a transcript (``{"format", "content", ...}``), or any file, would be read as; nothing is measured.

        The same as `hearken.read` gives on this machine, by the service's version.
        """
        if isinstance(document, Path):
            query = _given(file_name=document.name, layout=layout, names=names, branches=branches)
            with document.open("rb") as source:
                answer = self._sent("/v1/readings", source, query, {"Content-Type": _ANY_FILE})
            return _read(ReadingAnswer, answer)
        return _read(ReadingAnswer, self._request("POST", "/v1/readings", json=dict(document)))

    # Data sets and what is made of them

    def upload_dataset(
        self,
        content: Path | bytes | BinaryIO | Iterable[bytes],
        *,
        name: str | None = None,
        domain: str | None = None,
        media_type: str | None = None,
        layout: str | None = None,
        names: Names | None = None,
        branches: DatasetBranches | None = None,
    ) -> Dataset:
        """Store documents; a path is streamed from disk, by what its ending says or else its content.

        Everything else is JSON Lines, unless `media_type` names another type. `layout` says what records are, `names`
        whether speakers become P1, P2, ..., `branches` which conversations of a record are meant (docs/formats.md).
        """
        query = {"name": name, "domain": domain, "layout": layout, "names": names, "branches": branches}
        if isinstance(content, Path):
            query["name"] = name or content.stem
            media_type = media_type or _MEDIA_TYPES.get(content.suffix.lower(), _ANY_FILE)
            with content.open("rb") as source:
                return self._upload(source, query, media_type)
        return self._upload(content, query, media_type)

    def datasets(self) -> Iterator[Dataset]:
        """Every data set, newest first."""
        return self._list(Dataset, "/v1/datasets", {})

    def dataset(self, dataset_id: str) -> Dataset:
        """One data set."""
        return _read(Dataset, self._get(f"/v1/datasets/{dataset_id}"))

    def batch(self, dataset_id: str, *, model: str | None = None, **fields: Any) -> Job:
        """Start measuring every document of a data set."""
        return _read(Job, self._create("/v1/batches", _given(dataset_id=dataset_id, model=model, **fields)))

    def compare(self, groups: Sequence[Mapping[str, Any]], *, model: str | None = None, **fields: Any) -> Job:
        """Start comparing groups; `wait` for the job, then fetch `comparison(job.result)`."""
        body = _given(groups=[dict(group) for group in groups], model=model, **fields)
        return _read(Job, self._create("/v1/comparisons", body))

    def comparison(self, comparison_id: str) -> Comparison:
        """A comparison by its id, or by a job's `result`."""
        return _read(Comparison, self._get(_under("/v1/comparisons", comparison_id)))

    def comparisons(self) -> Iterator[ComparisonEntry]:
        """Every comparison, newest first."""
        return self._list(ComparisonEntry, "/v1/comparisons", {})

    def report(self, comparison_id: str) -> str:
        """The self-contained HTML page of a comparison, by its id or a job's `result`."""
        return self._get(_under("/v1/comparisons", comparison_id) + "/report").text

    # Jobs

    def job(self, job_id: str, *, wait_seconds: int = 0) -> Job:
        """One job; waits up to `wait_seconds` (60 at most) for its end."""
        return _read(Job, self._get(f"/v1/jobs/{job_id}", headers={"Prefer": f"wait={wait_seconds}"}))

    def jobs(self, **filters: Any) -> Iterator[Job]:
        """Every job, newest first."""
        return self._list(Job, "/v1/jobs", filters)

    def failures(self, job_id: str) -> Iterator[Failure]:
        """The documents of a job that could not be measured, and why."""
        return self._list(Failure, f"/v1/jobs/{job_id}/failures", {})

    def cancel(self, job_id: str) -> Job:
        """Ask a job to end; what is measured stays."""
        return _read(Job, self._create(f"/v1/jobs/{job_id}/cancel", {}))

    def wait(
        self,
        job_id: str,
        *,
        on_progress: Callable[[Job], None] | None = None,
        timeout: float | None = None,
    ) -> Job:
        """The job once it has succeeded; `on_progress` sees it about twice a second until then.

        Raises `JobFailed` when it ends otherwise, and `TimeoutError` after `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            job = self.job(job_id, wait_seconds=_LONG_POLL_SECONDS if on_progress is None else 0)
            if on_progress is not None:
                on_progress(job)
            if job.state == JobState.SUCCEEDED:
                return job
            if job.state in FINISHED:
                raise JobFailed(job)
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"job {job_id} is still {job.state} after {timeout:.0f} s")
            if on_progress is not None:
                time.sleep(0.4)

    # Search, models, health

    def search(
        self,
        text: str | None = None,
        *,
        space: Literal["embedding", "profile"] = "embedding",
        scope: Literal["documents", "turns"] = "documents",
        k: int = 10,
        model: str | None = None,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the contract's word
        **fields: Any,
    ) -> SearchAnswer:
        """The documents or turns nearest to `text`; `fields` may give conversation, analysis_id or vector instead."""
        restriction = None if filter is None else dict(filter)
        body = _given(text=text, space=space, scope=scope, k=k, model=model, filter=restriction, **fields)
        return _read(SearchAnswer, self._request("POST", "/v1/search", json=body))

    def models(self) -> list[ServedModel]:
        """The models that the service offers, the default first."""
        return _read(ServedModels, self._get("/v1/models")).items

    def export(self, target: Path, **filters: Any) -> None:
        """Write the analyses that match to `target`; its ending says how: .parquet, .csv or .jsonl.

        `include="layers"` writes one row a layer. What breaks off leaves no file.
        """
        query = {key: value for key, value in filters.items() if value is not None}
        part = target.with_name(f"{target.name}.part")
        try:
            with self._http.stream("GET", f"/v1/exports/analyses{target.suffix}", params=query) as response:
                if not response.is_success:
                    response.read()
                    raise ProblemError(_problem(response))
                with part.open("wb") as output:
                    for block in response.iter_bytes():
                        output.write(block)
            part.replace(target)
        except httpx.TransportError as error:
            raise ServiceUnreachable(f"{self.url} stopped answering: {error}") from error
        finally:
            part.unlink(missing_ok=True)

    def delete(self, path: str) -> None:
        """Delete a resource by its path, such as ``/v1/datasets/ds_...``."""
        self._request("DELETE", path)

    # How requests are sent

    def _get(self, path: str, *, headers: Mapping[str, str] | None = None, **query: Any) -> httpx.Response:
        given = {key: value for key, value in query.items() if value is not None}
        return self._request("GET", path, params=given, headers=headers)

    def _create(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self._request("POST", path, json=body, headers={"Idempotency-Key": uuid.uuid4().hex, **(headers or {})})

    def _upload(
        self, content: bytes | BinaryIO | Iterable[bytes], query: Mapping[str, str | None], media_type: str | None
    ) -> Dataset:
        headers = {"Content-Type": media_type or _MEDIA_TYPES[".jsonl"], "Idempotency-Key": uuid.uuid4().hex}
        return _read(Dataset, self._sent("/v1/datasets", content, query, headers))

    def _sent(
        self,
        path: str,
        content: bytes | BinaryIO | Iterable[bytes],
        query: Mapping[str, str | None],
        headers: Mapping[str, str],
    ) -> httpx.Response:
        """The answer to a body that is streamed, which cannot be sent twice."""
        try:
            response = self._http.post(path, content=content, params=_given(**query), headers=headers)
        except httpx.TransportError as error:
            raise ServiceUnreachable(f"{self.url} stopped answering during the upload: {error}") from error
        if not response.is_success:
            raise ProblemError(_problem(response))
        return response

    def _list(self, item: type[_Answer], path: str, filters: Mapping[str, Any]) -> Iterator[_Answer]:
        cursor: str | None = None
        while True:
            page = self._get(path, **filters, cursor=cursor).json()
            yield from (item.model_validate(entry) for entry in page["items"])
            cursor = page["next"]
            if cursor is None:
                return

    def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Send, and send again where that can help: no connection, or a passing 502, 503 or 504."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                response = self._http.request(method, path, **arguments)
            except httpx.TransportError as error:
                if attempt == _ATTEMPTS:
                    raise ServiceUnreachable(f"{self.url} does not answer: {error or type(error).__name__}") from error
                time.sleep(0.2 * 2**attempt)
                continue
            if response.is_success:
                return response
            if response.status_code not in _TRANSIENT or attempt == _ATTEMPTS:
                raise ProblemError(_problem(response))
            time.sleep(min(float(response.headers.get("Retry-After", attempt)), 10.0))
        raise AssertionError("the last attempt returns or raises")


def _analysis_body(document: str | Mapping[str, Any], model: str | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(document, str):
        content: dict[str, Any] = {"text": document}
    elif "turns" in document:
        content = {"conversation": {"turns": document["turns"]}}
    else:
        content = dict(document)
    return content | _given(model=model, **fields)


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _under(collection: str, identity: str) -> str:
    return identity if identity.startswith(collection) else f"{collection}/{identity}"


def _read(answer: type[_Answer], response: httpx.Response) -> _Answer:
    return answer.model_validate_json(response.content)


def _problem(response: httpx.Response) -> ProblemDetails:
    """The problem of a refusal; one made here where something between us and the service answered in its place."""
    try:
        return ProblemDetails.model_validate_json(response.content)
    except ValidationError:
        return ProblemDetails(
            type="about:blank",
            title=response.reason_phrase,
            status=response.status_code,
            detail=f"{response.request.url} answered {response.status_code} {response.reason_phrase}",
            instance=response.request.url.path,
        )
