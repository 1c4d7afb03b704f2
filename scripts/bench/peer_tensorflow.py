"""TensorFlow: a Keras model in a GradientTape loop, eager, as a tf.function, and as a loop inside one."""

# pyright: reportPossiblyUnboundVariable=false

import tensorflow as tf
from common import each_batch, init_weights, is_full_batch


def versions():
    return {"tensorflow": tf.__version__, "keras": tf.keras.__version__}


def make_model(case):
    hidden, output = case.activations
    layers = [tf.keras.layers.Dense(units, hidden) for units in case.sizes[1:-1]]
    last = tf.keras.layers.Dense(case.sizes[-1], output)
    return tf.keras.Sequential([tf.keras.Input((case.sizes[0],)), *layers, last])


def make_loss(case):
    if case.loss == "mean_squared_error":
        return tf.keras.losses.MeanSquaredError()
    return tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def make_optimizer(case):
    return {"sgd": tf.keras.optimizers.SGD, "adam": tf.keras.optimizers.Adam}[case.optimizer](
        case.learning_rate
    )


class Tape:
    """The loop that everyone writes: one step after the other, called from Python."""

    wrap = staticmethod(lambda step: step)

    def __init__(self, case):
        self.case = case
        self.model = make_model(case)
        self.loss, self.optimizer = make_loss(case), make_optimizer(case)
        self.optimizer.build(self.model.trainable_variables)
        self.start = [variable.numpy() for variable in self.optimizer.variables]
        self.one_step = self.wrap(self.step)
        self.x, self.y = tf.constant(case.x), tf.constant(case.y)

    def step(self, x, y):
        with tf.GradientTape() as tape:
            loss = self.loss(y, self.model(x, training=True))
        grads = tape.gradient(loss, self.model.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.model.trainable_variables, strict=True))
        return loss

    def reset(self):
        self.model.set_weights([leaf for pair in init_weights(self.case) for leaf in pair])
        for variable, value in zip(self.optimizer.variables, self.start, strict=True):
            variable.assign(value)

    def run(self, epochs):
        if is_full_batch(self.case):
            for _ in range(epochs):
                loss = self.one_step(self.x, self.y)
        else:
            for x, y in each_batch(self.case, epochs):
                loss = self.one_step(tf.constant(x), tf.constant(y))
        loss.numpy()

    def weights(self):
        leaves = self.model.get_weights()
        return list(zip(leaves[::2], leaves[1::2], strict=True))


class Function(Tape):
    wrap = staticmethod(tf.function)


class Compiled(Tape):
    wrap = staticmethod(tf.function(jit_compile=True))


class InGraph(Tape):
    """The loop over steps and epochs inside one tf.function."""

    jit_compile = False

    def __init__(self, case):
        super().__init__(case)
        self.orders = tf.constant(case.orders)
        loop = self.all_rows if is_full_batch(case) else self.shuffled
        self.loop = tf.function(loop, jit_compile=self.jit_compile)

    def all_rows(self, epochs):
        loss = tf.constant(0.0)
        for _ in tf.range(epochs):
            loss = self.step(self.x, self.y)
        return loss

    def shuffled(self, epochs):
        batch, rows = self.case.batch, len(self.case.x)
        loss = tf.constant(0.0)
        for epoch in tf.range(epochs):
            order = self.orders[epoch % len(self.case.orders)]
            x, y = tf.gather(self.x, order), tf.gather(self.y, order)
            for i in tf.range(rows // batch):
                some = tf.slice(x, [i * batch, 0], [batch, self.case.sizes[0]])
                loss = self.step(some, tf.slice(y, [i * batch], [batch]))
            if rows % batch:  # decided while tracing: the short batch
                loss = self.step(x[-(rows % batch) :], y[-(rows % batch) :])
        return loss

    def run(self, epochs):
        self.loop(tf.constant(epochs)).numpy()


class InGraphCompiled(InGraph):
    jit_compile = True


PEERS = {
    "TensorFlow, eager": Tape,
    "TensorFlow, tf.function": Function,
    "TensorFlow, jit_compile": Compiled,
    "TensorFlow, loop in the graph": InGraph,
    "TensorFlow, loop in the graph, XLA": InGraphCompiled,
}
