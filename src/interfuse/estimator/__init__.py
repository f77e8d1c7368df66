"""The scikit-learn face: fit, predict, score, over data frames of pictures and texts."""

from interfuse.estimator.base import FusionEstimator
from interfuse.estimator.classifier import FusionClassifier
from interfuse.estimator.regressor import FusionRegressor

__all__ = ["FusionClassifier", "FusionEstimator", "FusionRegressor"]
