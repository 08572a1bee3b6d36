"""Multinomial logistic regression, for the thousands of small fits of a probe.

What scikit-learn's LogisticRegression finds, with the same steps of the same minimiser; but what a
fit of some hundred rows costs there is mostly checks.
"""

from typing import Self

import numpy as np
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, ClassifierMixin

from nca_zoo.features.measures import Floats, Ints


class Logistic(ClassifierMixin, BaseEstimator):
    """Minimises ``C * sum(log loss) + |weights|^2 / 2``; intercepts are free.

    tol: the largest slope of the mean loss at which it stops.
    """

    def __init__(self, C: float = 1.0, tol: float = 1e-3, max_iter: int = 10_000) -> None:
        self.C = C
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, rows: Floats, classes: Ints) -> Self:
        """Learn from rows ``(n, D)`` and their classes ``(n,)``."""
        self.classes_, codes = np.unique(classes, return_inverse=True)
        (n, columns), k = rows.shape, len(self.classes_)
        penalty, right = 1 / (self.C * n), (codes, np.arange(n))
        fixed = int(k == 2)  # of two classes, the first always scores 0

        def loss(flat: Floats) -> tuple[float, Floats]:
            """The mean loss with its penalty, and its slope; classes are rows here."""
            weights = flat.reshape(columns + 1, k - fixed)
            scores = np.zeros((k, n))
            np.matmul(weights[:-1].T, rows.T, out=scores[fixed:])
            scores[fixed:] += weights[-1][:, None]
            scores -= scores.max(axis=0)
            total = -scores[right].sum()
            np.exp(scores, out=scores)
            sums = scores.sum(axis=0)
            total += np.log(sums).sum()
            scores /= sums
            scores[right] -= 1
            scores /= n
            slope = np.empty_like(weights)
            np.matmul(rows.T, scores[fixed:].T, out=slope[:-1])
            slope[:-1] += penalty * weights[:-1]
            slope[-1] = scores[fixed:].sum(axis=1)
            squares = np.vdot(weights[:-1], weights[:-1])
            return total / n + 0.5 * penalty * squares, slope.ravel()

        options = {"maxiter": self.max_iter, "maxls": 50, "gtol": self.tol}
        options["ftol"] = 64 * np.finfo(float).eps  # the slope decides
        start = np.zeros((columns + 1) * (k - fixed))
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
        self.weights_: Floats = np.zeros((columns + 1, k))
        self.weights_[:, fixed:] = found.x.reshape(columns + 1, k - fixed)
        return self

    def predict(self, rows: Floats) -> Ints:
        """Classes ``(m,)`` of rows ``(m, D)``."""
        scores = rows @ self.weights_[:-1] + self.weights_[-1]
        return self.classes_[scores.argmax(axis=1)]
