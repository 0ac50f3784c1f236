"""What a document is called and filed under, changed after it was measured."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from models.errors import found
from models.tables import analysis, dataset, document


def relabel_document(connection: Connection, tenant_id: str, analysis_id: str, changes: Mapping[str, Any]) -> None:
    """Change `domain`, `external_id` or `labels` of the document of the tenant's analysis. Raises `NotFound`.

    A data set that has it counts it under its new domain. Locks the document, then the data set.
    """
    before = connection.execute(
        select(document.c.id, document.c.dataset_id, document.c.domain)
        .join_from(document, analysis)
        .where(analysis.c.tenant_id == tenant_id, analysis.c.id == analysis_id)
        .with_for_update(key_share=True, of=document)
    ).one_or_none()
    row = found(before, "analysis", analysis_id)
    connection.execute(update(document).where(document.c.id == row.id).values(**changes))
    after = changes.get("domain", row.domain)
    if row.dataset_id is not None and after != row.domain:
        _count_elsewhere(connection, row.dataset_id, row.domain, after)


def _count_elsewhere(connection: Connection, dataset_id: str, before: str | None, after: str | None) -> None:
    of_one = dataset.c.id == dataset_id
    counts = dict(connection.execute(select(dataset.c.domains).where(of_one).with_for_update()).scalar_one())
    for domain, change in ((before, -1), (after, 1)):
        if domain is not None:
            counts[domain] = counts.get(domain, 0) + change
    connection.execute(update(dataset).where(of_one).values(domains={name: n for name, n in counts.items() if n}))
