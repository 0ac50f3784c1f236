"""Profiles as points: standardised by a scale that anybody can measure again, projected so that cosines stay."""

import hashlib
from collections import Counter
from importlib.resources import files

import numpy as np
import pytest
from project_tree import ROOT
from tiny_models import tiny_model

from attention.definitions import PROFILE, PROFILE_METRICS
from attention.measure.analysis import analyse
from attention.measure.profile import LONGEST, Scale, profiles
from attention.measure.profile_scale import measured_scale, reference_documents
from attention.model.loading import open_model
from attention.model.model import ModelSource
from attention.text.rendering import render


def cosines(values):
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit @ unit.T


def test_a_profile_is_one_metric_of_all_heads_after_the_other():
    heads = {metric: np.full((2, 3, 4), float(number)) for number, metric in enumerate(PROFILE_METRICS)}
    heads["distance"][1] = np.arange(12).reshape(3, 4) / 3
    found = profiles(heads)
    assert found.shape == (2, 48)
    assert found.dtype == np.float32
    assert found[1].tolist() == [np.float32(n / 3) for n in range(12)] + [1] * 12 + [2] * 12 + [3] * 12


def test_numbers_are_standardised_by_those_that_are_defined_and_undefined_ones_stand_at_the_mean():
    values = np.array([[1.0, 5.0, np.nan], [3.0, 5.0, 2.0], [5.0, 5.0, 4.0], [np.nan, 5.0, 6.0]])
    scale = Scale.of(values)
    assert scale.means == pytest.approx([3, 5, 4])
    assert scale.deviations == pytest.approx([np.sqrt(8 / 3), 0, np.sqrt(8 / 3)])
    found = scale.standardised(np.array([[4.0, 7.0, np.nan]]))
    assert found == pytest.approx(np.array([[1 / np.sqrt(8 / 3), 0, 0]]))


def test_what_varies_only_by_rounding_counts_as_constant():
    rounding = np.array([[1.0], [np.nextafter(np.float32(1), np.float32(2))]], np.float32)
    assert Scale.of(rounding).deviations.tolist() == [0]
    assert Scale.of(np.array([[1.0], [1.001]])).deviations == pytest.approx([0.0005])


def test_a_number_that_no_document_has_is_undefined_for_all():
    scale = Scale.of(np.full((3, 1), np.nan))
    assert scale.points(np.array([[2.0]])).tolist() == [[0.0]]


def test_up_to_two_thousand_numbers_nothing_is_projected():
    values = np.random.default_rng(0).normal(size=(3, LONGEST))
    scale = Scale(np.zeros(LONGEST), np.ones(LONGEST))
    assert np.array_equal(scale.points(values), values)
    assert scale.dimension == LONGEST


@pytest.mark.parametrize("numbers", [2_048, 4_096, 20_480])
def test_a_projection_keeps_cosines_to_about_two_hundredths(numbers):
    random = np.random.default_rng(numbers)
    common = random.normal(size=numbers)
    share = np.linspace(0, 1, 24)[:, None]
    values = share * common + (1 - share) * random.normal(size=(24, numbers))
    scale = Scale(np.zeros(numbers), np.ones(numbers))
    points = scale.points(values)
    assert points.shape == (24, scale.dimension) == (24, LONGEST)
    error = (cosines(points) - cosines(values))[np.triu_indices(24, 1)]
    assert np.sqrt((error**2).mean()) < 0.025
    assert np.abs(error).max() < 0.09
    assert np.linalg.norm(points, axis=1) == pytest.approx(np.linalg.norm(values, axis=1), rel=0.1)


def test_a_projection_is_linear_and_each_number_falls_into_eight_places():
    scale = Scale(np.zeros(4_096), np.ones(4_096))
    points = scale.points(np.eye(4_096)[[0, 1, 4_095]])
    assert (points != 0).sum(axis=1).tolist() == [8, 8, 8]
    assert np.abs(points[points != 0]) == pytest.approx(1 / np.sqrt(8))
    whole = np.zeros((1, 4_096))
    whole[0, [0, 1, 4_095]] = 2, -1, 5
    assert scale.points(whole)[0] == pytest.approx(points.T @ [2, -1, 5])


def test_what_a_definition_names_never_changes_under_its_name():
    """Stored points are compared with new ones: another text or projection needs another name."""
    texts = files("attention.measure").joinpath("reference.jsonl").read_bytes()
    points = Scale(np.zeros(2_001), np.ones(2_001)).points(np.arange(2_001.0)[None])
    whole = np.rint(points * np.sqrt(8)).astype("<i8")
    assert PROFILE == "hearken-metrics/1/profile/1"
    assert hashlib.sha256(texts).hexdigest() == TEXTS
    assert hashlib.sha256(whole.tobytes()).hexdigest() == PROJECTED


TEXTS = "252206a47c19afa9a5596fed03fd3cfc5b6b593657744f5c75c80e92515e67d0"
PROJECTED = "86084f435762ce0e183ab824774a10a135b82ed8deb018a65dd3bc2b4b9d92db"


def test_the_reference_texts_are_six_lengths_of_four_kinds():
    documents = reference_documents()
    texts = [document.text or " ".join(turn.text for turn in document.turns) for document in documents]
    assert Counter(len(text.split()) for text in texts) == dict.fromkeys((8, 16, 32, 64, 128, 256), 4)
    assert [document.turns is not None for document in documents] == [True] * 6 + [False] * 18
    assert len(set(texts)) == 24


def test_the_package_brings_the_reference_texts():
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '"attention.measure" = ["reference.jsonl"]' in settings


def test_a_models_scale_is_the_mean_and_deviation_of_the_reference_texts(tmp_path):
    folder = tiny_model(tmp_path / "model", "llama", context=256)
    model = open_model(ModelSource(id="tiny", path=folder))
    scale = measured_scale(model, 1_024)
    alone = []
    for document in reference_documents():
        rendered = render(model.tokenizer, document, context=256)
        measured = analyse(model, [rendered], token_budget=256)[0]
        alone.append(np.concatenate([measured.heads[metric].ravel() for metric in PROFILE_METRICS]))
    assert scale.means.shape == (2 * 4 * 4,)
    assert scale.means == pytest.approx(np.mean(alone, axis=0), rel=1e-4)
    assert scale.deviations == pytest.approx(np.std(alone, axis=0), rel=1e-3)
    again = measured_scale(model, 1_024)
    assert np.array_equal(again.means, scale.means)
    assert np.array_equal(again.deviations, scale.deviations)
