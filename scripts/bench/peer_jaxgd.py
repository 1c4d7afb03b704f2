"""jaxgd as its users call it. The clock runs around the whole call, not only the compiled program."""

# pyright: reportOptionalMemberAccess=false, reportPossiblyUnboundVariable=false, reportOptionalIterable=false

import jax
import numpy as np
from common import batch_orders, init_weights

import jaxgd
from jaxgd.training import make_objective


def versions():
    return {"jaxgd": jaxgd.__version__, "jax": jax.__version__}


def make_model(case):
    hidden, output = case.activations
    return jaxgd.mlp(case.sizes, activation=hidden, output_activation=output)


def make_params(model, weights):
    return {name: {"kernel": k, "bias": b} for name, (k, b) in zip(model.init(0), weights, strict=True)}


def make_loss(case):
    if "crossentropy" in case.loss:
        return jaxgd.losses.get(case.loss, from_logits=True)
    return jaxgd.losses.get(case.loss)


def make_optimizer(case, rate):
    return getattr(jaxgd.optimizers, case.optimizer)(rate)


def plain(params):
    return [(np.asarray(leaves["kernel"]), np.asarray(leaves["bias"])) for leaves in params.values()]


class Fit:
    """`jaxgd.fit`."""

    def __init__(self, case):
        self.case = case
        self.model = make_model(case)
        self.params = make_params(self.model, init_weights(case))
        self.settings = {
            "loss": make_loss(case),
            "optimizer": make_optimizer(case, case.learning_rate),
            "batch_size": case.batch,
            "shuffle": case.batch < len(case.x),
        }

    def reset(self):
        self.result = None

    def run(self, epochs):
        self.result = jaxgd.fit(
            self.model, self.case.x, self.case.y, params=self.params, epochs=epochs, **self.settings
        )
        jax.block_until_ready(self.result.params)

    def weights(self):
        return plain(self.result.params)


class Train:
    """`jaxgd.train`: any step over a schedule of rows."""

    def __init__(self, case):
        self.case = case
        self.model = make_model(case)
        self.optimizer = make_optimizer(case, case.learning_rate)
        self.step = jaxgd.make_step(make_objective(self.model, make_loss(case)), self.optimizer)
        self.data = {"x": jax.numpy.asarray(case.x), "y": jax.numpy.asarray(case.y)}
        self.schedules = {}

    def reset(self):
        params = make_params(self.model, init_weights(self.case))
        self.state = jaxgd.TrainState.create(params=params, optimizer=self.optimizer)

    def run(self, epochs):
        if epochs not in self.schedules:
            self.schedules[epochs] = jax.numpy.asarray(batch_orders(self.case, epochs))
        self.state, history = jaxgd.train(self.step, self.state, self.data, self.schedules[epochs])
        jax.block_until_ready((self.state, history))

    def weights(self):
        return plain(self.state.params)


class OneByOne:
    """A sweep as a loop over `jaxgd.fit`."""

    def __init__(self, case):
        self.case = case
        self.model = make_model(case)
        self.members = [(seed, rate) for rate in case.rates.tolist() for seed in range(case.num_seeds)]

    def reset(self):
        self.first = None

    def run(self, members):
        case = self.case
        for seed, rate in self.members[:members]:
            result = jaxgd.fit(
                self.model,
                case.x,
                case.y,
                loss=make_loss(case),
                optimizer=make_optimizer(case, rate),
                batch_size=case.batch,
                epochs=case.epochs,
                seed=seed,
            )
            self.first = self.first or result
        jax.block_until_ready(result.params)

    def weights(self):
        return plain(self.first.params)


class Sweep:
    """`jaxgd.sweep`."""

    def __init__(self, case):
        self.case = case
        self.model = make_model(case)

    def reset(self):
        self.table = None

    def run(self, members):
        case = self.case
        self.table = jaxgd.sweep(
            self.model,
            case.x,
            case.y,
            grid={"learning_rate": case.rates.tolist()},
            seeds=members // len(case.rates),
            loss=make_loss(case),
            optimizer=make_optimizer(case, case.learning_rate),
            batch_size=case.batch,
            epochs=case.epochs,
        )

    def weights(self):
        first = next(
            member
            for member in self.table
            if member.seed == 0 and member.settings["learning_rate"] == float(self.case.rates[0])
        )
        return plain(first.params)


PEERS = {
    "jaxgd.fit": Fit,
    "jaxgd.train": Train,
    "jaxgd.fit, one by one": OneByOne,
}
if "sweep" in jaxgd.__all__:
    PEERS["jaxgd.sweep"] = Sweep
