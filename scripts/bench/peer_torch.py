"""PyTorch: the usual loop, eager and with torch.compile around the model."""

# pyright: reportMissingImports=false, reportPossiblyUnboundVariable=false

import torch
from common import each_batch, init_weights, is_full_batch, members_of


def versions():
    return {"torch": torch.__version__, "torch threads": torch.get_num_threads()}


def make_model(case, weights):
    layers = []
    for kernel, bias in weights:
        layer = torch.nn.Linear(*kernel.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(kernel.T.copy()))
            layer.bias.copy_(torch.from_numpy(bias.copy()))
        layers += [layer, torch.nn.ReLU()]
    layers[-1:] = [torch.nn.Sigmoid()] if case.activations[1] == "sigmoid" else []
    return torch.nn.Sequential(*layers)


def make_optimizer(case, model, rate):
    if case.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), lr=rate)
    return torch.optim.Adam(model.parameters(), lr=rate, eps=1e-7)


def make_loss(case):
    return torch.nn.MSELoss() if case.loss == "mean_squared_error" else torch.nn.CrossEntropyLoss()


def train(model, optimizer, loss_fn, batches):
    for x, y in batches:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
    return loss.item()


def weights_of(model):
    linear = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
    return [(each.weight.detach().numpy().T, each.bias.detach().numpy()) for each in linear]


def as_tensors(case, epochs, seed=None):
    labels = torch.float32 if case.loss == "mean_squared_error" else torch.int64
    if is_full_batch(case):
        batch = torch.from_numpy(case.x), torch.from_numpy(case.y).to(labels)
        return (batch for _ in range(epochs))
    return ((torch.from_numpy(x), torch.from_numpy(y).to(labels)) for x, y in each_batch(case, epochs, seed))


class Eager:
    wrap = staticmethod(lambda model: model)

    def __init__(self, case):
        self.case = case
        self.loss_fn = make_loss(case)
        self.model = make_model(case, init_weights(case))
        self.start = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.called = self.wrap(self.model)

    def reset(self):
        self.model.load_state_dict(self.start)
        self.optimizer = make_optimizer(self.case, self.model, self.case.learning_rate)

    def run(self, epochs):
        train(self.called, self.optimizer, self.loss_fn, as_tensors(self.case, epochs))

    def weights(self):
        return weights_of(self.model)


class Compiled(Eager):
    wrap = staticmethod(torch.compile)


class OneByOne:
    """The runs of a sweep, one after the other."""

    def __init__(self, case):
        self.case = case

    def reset(self):
        self.first = None

    def run(self, members):
        case = self.case
        for seed, rate in members_of(case)[:members]:
            model = make_model(case, init_weights(case, seed))
            optimizer = make_optimizer(case, model, rate)
            train(model, optimizer, make_loss(case), as_tensors(case, case.epochs, seed))
            self.first = self.first or model

    def weights(self):
        return weights_of(self.first)


PEERS = {
    "PyTorch, eager": Eager,
    "PyTorch, torch.compile": Compiled,
    "PyTorch, eager, one by one": OneByOne,
}
