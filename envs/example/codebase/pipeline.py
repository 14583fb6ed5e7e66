"""The pipeline: pixels -> features -> a digit."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

SIDE = 8


def features(pixels: np.ndarray) -> np.ndarray:
    """Return [N, F] from pixels [N, 64], each from 0 to 1."""
    return pixels


def classifier(seed: int) -> ClassifierMixin:
    """Return what tells digits apart by their features."""
    return RandomForestClassifier(n_estimators=50, random_state=seed)


def make_pipeline(seed: int) -> Pipeline:
    """Return the untrained pipeline."""
    steps = [
        ("features", FunctionTransformer(features)),
        ("classifier", classifier(seed)),
    ]
    return Pipeline(steps)
