"""scikit-learn's MLPClassifier, an epoch a call of `partial_fit`: so it takes weights and an order."""

import numpy as np
import sklearn
from common import init_weights, members_of, order_of
from sklearn.neural_network import MLPClassifier


def versions():
    return {"scikit-learn": sklearn.__version__}


def make_classifier(case, rate):
    settings = {"alpha": 0.0, "epsilon": 1e-7, "shuffle": False, "batch_size": case.batch}
    hidden = tuple(case.sizes[1:-1])
    return MLPClassifier(hidden, "relu", solver=case.optimizer, learning_rate_init=rate, **settings)


def start(model, weights):
    """Put weights in place of those it drew, and forget the optimizer."""
    model.coefs_ = [kernel.copy() for kernel, _ in weights]
    model.intercepts_ = [bias.copy() for _, bias in weights]
    vars(model).pop("_optimizer", None)


def train(model, case, epochs, seed=None):
    for epoch in range(epochs):
        order = order_of(case, epoch, seed)
        model.partial_fit(case.x[order], case.y[order])


class Classifier:
    def __init__(self, case):
        if case.loss != "sparse_categorical_crossentropy":
            raise ValueError("scikit-learn has no sigmoid output with a mean squared error")
        self.case = case
        self.model = make_classifier(case, case.learning_rate)
        self.model.partial_fit(case.x, case.y, classes=np.unique(case.y))

    def reset(self):
        start(self.model, init_weights(self.case))

    def run(self, epochs):
        train(self.model, self.case, epochs)

    def weights(self):
        return list(zip(self.model.coefs_, self.model.intercepts_, strict=True))


class OneByOne:
    """The runs of a sweep, one after the other."""

    def __init__(self, case):
        self.case = case

    def reset(self):
        """A classifier has to have seen labels before it takes weights: that is not counted."""
        self.models = []

    def run(self, members):
        case = self.case
        for seed, rate in members_of(case)[:members]:
            model = make_classifier(case, rate)
            model.partial_fit(case.x[:1], case.y[:1], classes=np.unique(case.y))
            start(model, init_weights(case, seed))
            train(model, case, case.epochs, seed)
            self.models.append(model)

    def weights(self):
        return list(zip(self.models[0].coefs_, self.models[0].intercepts_, strict=True))


PEERS = {"scikit-learn": Classifier, "scikit-learn, one by one": OneByOne}
