"""The same documents under two models are compared document by document."""

from dataclasses import replace

import numpy as np
import pytest
from planted import planted_group
from scipy import stats

from attention.comparison.compare import compare
from attention.comparison.groups import ComparisonSettings, Group
from attention.comparison.statistics.paired import paired_effects, shared_documents

QUICK = ComparisonSettings(by_head=False, separability=False, maps=(), bootstrap=1000)


def tuned(before: Group, change: float, *, noise: float = 0.05, model: str = "tuned") -> Group:
    """The same documents with every value changed by `change` and a little noise, in another order."""
    random = np.random.default_rng(5)
    order = random.permutation(before.size)

    def moved(values: np.ndarray) -> np.ndarray:
        return (values + change + noise * random.normal(size=values.shape))[order]

    assert before.documents is not None
    return replace(
        before,
        name="after",
        model=model,
        analysis_ids=[f"after-{number}" for number in range(before.size)],
        overall={name: moved(values) for name, values in before.overall.items()},
        layers={name: moved(values) for name, values in before.layers.items()},
        documents=[before.documents[place] for place in order],
    )


def test_a_change_far_smaller_than_documents_differ_is_found_in_pairs_only() -> None:
    before = planted_group("before", size=40)
    result = compare([before, tuned(before, 0.03)], QUICK)
    paired = [one for one in result.paired if one.metric == "distance" and one.layer is None]
    (independent,) = [one for one in result.pairs if one.metric == "distance" and one.layer is None]
    assert independent.p_adjusted > 0.2
    assert [(one.a, one.b, one.test) for one in paired] == [("after", "before", "wilcoxon")]
    assert paired[0].delta > 0.2
    assert paired[0].p_adjusted < 0.05
    assert "same-documents" in {warned.code for warned in result.warnings}


def test_no_change_is_no_effect() -> None:
    before = planted_group("before", size=40)
    result = compare([before, tuned(before, 0.0)], QUICK)
    assert min(one.p_adjusted for one in result.paired) > 0.05


def test_p_is_scipys_wilcoxon_and_the_effect_is_dominance() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 30, 4))
    a += np.array([0, 0.3, 1, 0])
    b[:, 3] = a[:, 3]
    found = paired_effects(a, b, np.arange(30), confidence=0.95)
    for column in range(3):
        expected = stats.wilcoxon(a[:, column], b[:, column], zero_method="pratt").pvalue
        assert found.p[column] == pytest.approx(expected)
        assert found.delta[column] == pytest.approx(np.sign(a[:, column] - b[:, column]).mean())
        assert found.low[column] < found.delta[column] < found.high[column]
    assert np.isnan(found.p[3])
    assert found.delta[3] == 0


def test_an_interval_keeps_its_width_when_every_document_moves_one_way() -> None:
    b = np.random.default_rng(0).normal(size=(12, 1))
    found = paired_effects(b + 1, b, np.arange(12), confidence=0.95)
    interval = stats.binomtest(12, 12).proportion_ci(0.95, method="wilson")
    assert (found.low[0], found.high[0]) == pytest.approx((2 * interval.low - 1, 2 * interval.high - 1))


def test_documents_of_one_cluster_are_one_piece_of_evidence() -> None:
    random = np.random.default_rng(1)
    unit = np.repeat(np.arange(10), 8)
    shift = random.normal(size=(10, 1))[unit]
    a = shift + 0.01 * random.normal(size=(80, 1))
    found = paired_effects(a, np.zeros((80, 1)), unit, confidence=0.95)
    alone = paired_effects(a, np.zeros((80, 1)), np.arange(80), confidence=0.95)
    expected = stats.wilcoxon([a[unit == each].mean() for each in range(10)], zero_method="pratt").pvalue
    assert found.p[0] == pytest.approx(expected)
    assert found.high[0] - found.low[0] > 2 * (alone.high[0] - alone.low[0])


@pytest.mark.parametrize("why", ["one model", "nameless", "few shared", "a name twice"])
def test_what_cannot_be_paired_is_not(why: str) -> None:
    before = planted_group("before", size=12)
    after = tuned(before, 0.1, model=before.model if why == "one model" else "tuned")
    if why == "nameless":
        after = replace(after, documents=None)
    if why == "few shared":
        after = replace(after, documents=[*(after.documents or [])[:7], *(f"new {n}" for n in range(5))])
    if why == "a name twice":
        after = replace(after, documents=[f"document {n % 7}" for n in range(12)])
    assert shared_documents(before, after) is None
    assert compare([before, after], QUICK).paired == ()
