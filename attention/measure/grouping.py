"""Which documents of a claim are measured together: as many as one forward pass could take."""

from collections.abc import Sequence

from attention.measure.batches import passes


def pass_sized_groups(windows: Sequence[Sequence[int]], token_budget: int) -> list[list[int]]:
    """Group documents by the lengths of their windows, so that a group fits into one pass; indices, each once.

    After each group the worker stores its results and checks for more urgent work, which so waits for the tokens of one
    pass at most, even where `passes` divides a group further to save padding. Longest windows come first. A document
    that needs several passes is a group by itself.
    """
    groups: list[list[int]] = []
    rows = longest = 0
    for index in sorted(range(len(windows)), key=lambda document: -max(windows[document])):
        if groups and (rows + len(windows[index])) * longest <= token_budget:
            groups[-1].append(index)
            rows += len(windows[index])
        else:
            groups.append([index])
            rows, longest = len(windows[index]), max(windows[index])
    return groups


def padded_share(lengths: Sequence[int], token_budget: int) -> tuple[int, float]:
    """How many passes rows of these lengths take, and the share of padding among the tokens that are computed."""
    plan = passes(lengths, token_budget)
    return len(plan), padding_of(plan, lengths)


def padding_of(plan: Sequence[Sequence[int]], lengths: Sequence[int]) -> float:
    """The share of padding among the tokens that passes compute, each of rows of these lengths."""
    return 1 - sum(lengths) / sum(len(rows) * max(lengths[row] for row in rows) for rows in plan)
