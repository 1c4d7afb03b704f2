"""scikit-learn's interface: estimators trained by `jaxgd.fit`, and a grid search that is one sweep."""

from jaxgd.estimators.classifier import MLPClassifier
from jaxgd.estimators.regressor import MLPRegressor
from jaxgd.estimators.search import SweepSearchCV

__all__ = ["MLPClassifier", "MLPRegressor", "SweepSearchCV"]
