"""Logistic regression for many labellings of the same points at once.

The same model that scikit-learn's `LogisticRegression(C=1)` fits (a test holds them together), solved for all
labellings in one set of matrix products: hundreds of permuted labellings would otherwise take minutes of single fits.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from attention.comparison.groups import Floats

_ITERATIONS: Final = 2000
_TOLERANCE: Final = 1e-3  # of the step, in units of the features' own deviations: far below what moves a prediction


def fit(features: Floats, labels: NDArray[np.intp], classes: int) -> tuple[Floats, Floats]:
    """Multinomial logistic regression with an L2 penalty of weight 1 on everything but the intercept.

    Args:
        features: (n, d), uncorrelated columns of mean 0 (scores of a principal component analysis).
        labels: (P, n) one labelling a row.
        classes: number of classes, K.

    Returns:
        Coefficients (d, K, P) and intercepts (K, P).

    The steps follow Boehning's (1992) bound on the Hessian, which is diagonal for uncorrelated features, with
    Nesterov's acceleration, restarted whenever it points uphill (O'Donoghue & Candes 2015).
    """
    n, d = features.shape
    P = len(labels)
    spread = np.sqrt((features**2).mean(axis=0))  # (d,)
    used = spread > 1e-9 * max(float(spread.max(initial=0.0)), 1e-300)
    scaled = np.ones((n, int(used.sum()) + 1), dtype=np.float32)  # the last column is the intercept
    scaled[:, :-1] = features[:, used] / spread[used]
    penalty = np.zeros(scaled.shape[1], dtype=np.float32)
    penalty[:-1] = 1 / spread[used] ** 2
    step = (1 / (n / 2 + penalty))[:, None, None].astype(np.float32)
    weights = np.zeros((scaled.shape[1], classes, P), dtype=np.float32)
    active = np.arange(P)
    target = (labels.T[:, None, :] == np.arange(classes)[:, None]).astype(np.float32)  # (n, K, P)
    current = weights.copy()  # (d + 1, K, active)
    ahead = current.copy()
    momentum = np.ones(P, dtype=np.float32)
    for _ in range(_ITERATIONS):
        chance = _softmax(scaled, ahead)  # (n, K, active)
        chance -= target
        gradient = _product(scaled.T, chance)
        gradient += penalty[:, None, None] * ahead
        gradient *= step
        following = ahead - gradient
        change = following - current
        uphill = (gradient * change).sum(axis=(0, 1)) > 0
        grown = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        rate = np.where(uphill, 0, (momentum - 1) / grown).astype(np.float32)
        momentum = np.where(uphill, 1, grown).astype(np.float32)
        ahead = following + rate * change
        current = following
        done = np.abs(gradient).max(axis=(0, 1)) < _TOLERANCE
        if done.any():
            weights[:, :, active[done]] = current[:, :, done]
            keep = ~done
            active = active[keep]
            if not len(active):
                break
            current, ahead, momentum = current[:, :, keep], ahead[:, :, keep], momentum[keep]
            target = np.ascontiguousarray(target[:, :, keep])
    weights[:, :, active] = current if len(active) else weights[:, :, active]
    coefficients = np.zeros((d, classes, P))
    coefficients[used] = weights[:-1] / spread[used][:, None, None]
    return coefficients, weights[-1].astype(np.float64)


def predict(features: Floats, coefficients: Floats, intercepts: Floats) -> NDArray[np.intp]:
    """The likeliest class of every point under every labelling: (P, n)."""
    d, K, P = coefficients.shape
    scores = (features @ coefficients.reshape(d, K * P)).reshape(-1, K, P) + intercepts
    likeliest: NDArray[np.intp] = scores.argmax(axis=1).T
    return likeliest


def _softmax(points: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    scores = _product(points, weights)
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores


def _product(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    product: NDArray[np.float32] = (left @ right.reshape(right.shape[0], -1)).reshape(-1, *right.shape[1:])
    return product
