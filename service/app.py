"""The application, made from settings, with every route and error handler."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from models.queries.queue.notifications import settled_among
from models.schemas.documents import DatasetLine
from models.schemas.readings import ReadingRequest
from models.settings import Settings, load_models_file
from models.settings import settings as settings_of_environment
from service import exception_handlers
from service.auth.tenant import refuse_open_to_the_network
from service.context import AppContext
from service.database import Database
from service.http.metrics import MetricsMiddleware, RequestMetrics
from service.http.openapi import PROBLEM_SCHEMA
from service.routes import (
    aggregates,
    analyses,
    analysis_details,
    batches,
    datasets,
    exports,
    health,
    jobs,
    models,
    readings,
    search,
)
from service.routes.comparisons import comparisons, files, parts, placement
from service.routes.pages import docs, front, sign_in
from service.signals.job_notifications import Watcher
from service.signals.shutdown import call_on_shutdown
from service.signals.wakeups import WakeupSender
from workers.app import send_wakeup

DESCRIPTION = (
    "Hearken measures how language models attend to human conversation. POST a conversation and get attention metrics; "
    "compare groups of documents; follow jobs; search what was measured. Errors are `application/problem+json`, and "
    "each problem's `type` opens as a page that says what to do."
)
ROUTERS = (
    aggregates,
    analyses,
    analysis_details,
    exports,
    datasets,
    readings,
    batches,
    comparisons,
    files,
    parts,
    placement,
    jobs,
    search,
    models,
    health,
    front,
    sign_in,
    docs,
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service by `settings`, or by the environment's.

    Connects to nothing yet. Raises `service.auth.tenant.OpenToTheNetworkError` and `models.settings.ModelsFileError`.
    """
    chosen = settings or settings_of_environment()
    refuse_open_to_the_network(chosen.host, chosen.auth)
    entries = load_models_file(chosen.models)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = Database(chosen)
        watcher = Watcher(chosen, lambda ids: database.single(settled_among, ids))
        wakeups = WakeupSender(database, send_wakeup)
        app.state.context = AppContext(chosen, entries, database, watcher, wakeups)
        loop = asyncio.get_running_loop()
        watcher.start()
        wakeups.start()
        with call_on_shutdown(lambda: loop.call_soon_threadsafe(watcher.stop_waiting)):
            yield
        await watcher.close()
        await wakeups.close()
        await database.close()

    app = FastAPI(
        title="Hearken",
        version=version("hearken"),
        summary="How a language model attends to human conversation",
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,  # `service.routes.pages.docs` serves it without another host
        redoc_url=None,
    )
    app.state.metrics = RequestMetrics()
    app.add_middleware(MetricsMiddleware, metrics=app.state.metrics)
    exception_handlers.install(app)
    for module in ROUTERS:
        app.include_router(module.router)
    made = [route for module in ROUTERS for route in module.router.routes]
    app.state.every_route = [route for route in (*app.routes, *made) if hasattr(route, "methods")]
    _describe_shapes(app)
    return app


def _describe_shapes(app: FastAPI) -> None:
    """Add to the OpenAPI document the schemas that no route declares by type: of problems, lines and transcripts."""
    generate = app.openapi

    def described() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if "ProblemDetails" not in schemas:
            shapes = {"ProblemDetails": dict(PROBLEM_SCHEMA)}
            for model in (DatasetLine, ReadingRequest):
                shapes[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
            for name, shape in shapes.items():
                schemas.update(shape.pop("$defs", {}))
                schemas[name] = shape
            schemas.pop("HTTPValidationError", None)
            schemas.pop("ValidationError", None)
        return document

    app.openapi = described  # type: ignore[method-assign]
