"""Which seeds Keras hands out, in which order, and what its layers draw from them during `fit`."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxgd
from jaxgd import initializers, random
from jaxgd.random.philox import stateless_blocks

SLOTS = ("beta", "gamma", "moving_mean", "moving_variance", "kernel", "bias", "alpha")


@pytest.fixture(autouse=True)
def fresh_session():
    """Each test builds its models in a clean Keras session."""
    keras.backend.clear_session()


def own_seeds(layer):
    """The seeds that a Keras layer holds, in the order in which its constructor made them."""
    slots = [getattr(layer, f"{slot}_initializer", None) for slot in SLOTS]
    seeds = [slot.seed for slot in slots if hasattr(slot, "seed")]
    generator = getattr(layer, "seed_generator", None)
    return seeds + ([] if generator is None else [int(generator.state.numpy()[0])])


def draws(make_layers, seed):
    """The seeds of freshly constructed layers, those that the layers were given left out."""
    keras.utils.set_random_seed(seed)
    return [each for layer in make_layers() for each in own_seeds(layer) if each < 10 or each > 20]


TABLE = {
    "dense": (lambda: keras.layers.Dense(3), 1),
    "dense with a random bias": (lambda: keras.layers.Dense(3, bias_initializer="random_normal"), 2),
    "dense without its random bias": (
        lambda: keras.layers.Dense(3, use_bias=False, bias_initializer="random_normal"),
        2,
    ),
    "dense of zeros": (lambda: keras.layers.Dense(3, kernel_initializer="zeros"), 0),
    "dense of a seeded law": (
        lambda: keras.layers.Dense(3, kernel_initializer=keras.initializers.HeNormal(15)),
        0,
    ),
    "dropout": (lambda: keras.layers.Dropout(0.1), 1),
    "dropout of nothing": (lambda: keras.layers.Dropout(0.0), 0),
    "seeded dropout": (lambda: keras.layers.Dropout(0.1, seed=15), 0),
    "alpha dropout": (lambda: keras.layers.AlphaDropout(0.1), 1),
    "alpha dropout of nothing": (lambda: keras.layers.AlphaDropout(0.0), 0),
    "gaussian dropout": (lambda: keras.layers.GaussianDropout(0.1), 1),
    "gaussian dropout of nothing": (lambda: keras.layers.GaussianDropout(0.0), 0),
    "gaussian noise": (lambda: keras.layers.GaussianNoise(0.1), 1),
    "gaussian noise of nothing": (lambda: keras.layers.GaussianNoise(0.0), 0),
    "batch normalization": (keras.layers.BatchNormalization, 0),
    "layer normalization": (keras.layers.LayerNormalization, 0),
    "prelu": (keras.layers.PReLU, 0),
    "activation": (lambda: keras.layers.Activation("relu"), 0),
    "random gamma and beta": (
        lambda: keras.layers.BatchNormalization(
            gamma_initializer="random_uniform", beta_initializer="random_normal"
        ),
        2,
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_table_of_seeds(name):
    make, count = TABLE[name]
    last = keras.layers.Dropout
    seeds = draws(lambda: [make(), last(0.5)], 31)
    assert seeds == random.keras_layer_seeds(31, count + 1)


@pytest.mark.parametrize("seed", [0, 5, 2**31 - 1])
def test_a_sequential_draws_in_the_order_of_its_layers(seed):
    made = [make for make, _ in TABLE.values()]
    model_of = lambda: keras.Sequential([keras.Input((6,)), *(make() for make in made)]).layers  # noqa: E731
    count = sum(count for _, count in TABLE.values())
    assert draws(model_of, seed) == random.keras_layer_seeds(seed, count)


def test_weights_of_a_sequential():
    keras.utils.set_random_seed(7)
    laws = ["glorot_uniform", "he_normal", "lecun_uniform", "truncated_normal"]
    stack = [keras.layers.Dense(9, kernel_initializer=law) for law in laws]
    model = keras.Sequential([keras.Input((6,)), *stack])
    for layer, law, seed in zip(model.layers, laws, random.keras_layer_seeds(7, 4), strict=True):
        kernel = layer.kernel.numpy()
        ours = initializers.get(law)(random.keras_seed(seed), kernel.shape)
        np.testing.assert_allclose(ours, kernel, rtol=0, atol=2.4e-7 * np.max(np.abs(kernel)))
        assert "uniform" not in law or np.array_equal(ours, kernel)


def test_a_bias_that_is_not_used_draws_its_seed():
    """Keras makes its initializer all the same, so that every later layer has the next seed."""
    bare = {"use_bias": False, "bias_initializer": "he_uniform"}
    keras.utils.set_random_seed(8)
    theirs = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, **bare), keras.layers.Dense(2)])
    model = jaxgd.sequential([jaxgd.layers.dense(3, **bare), jaxgd.layers.dense(2)], 4)
    params = model.init(8)
    for layer, kernel in zip(params.values(), [theirs.weights[0], theirs.weights[1]], strict=True):
        np.testing.assert_array_equal(layer["kernel"], kernel.numpy())


class Recorder(keras.callbacks.Callback):
    """Sets the last kernel to 0 before each step and keeps what it became: minus the gradient, at rate 1."""

    def __init__(self):
        super().__init__()
        self.kernels = []

    def on_train_batch_begin(self, batch, logs=None):
        kernel = self.model.layers[-1].kernel
        kernel.assign(np.zeros(kernel.shape))

    def on_train_batch_end(self, batch, logs=None):
        self.kernels.append(self.model.layers[-1].kernel.numpy()[:, 0])


def train(layer, x, batch_size, epochs, jit_compile=False):
    """Minus the sums over each batch of what `layer` makes of x, one array a step, and the model."""
    last = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input(x.shape[1:]), layer, last])
    model.compile(
        optimizer=keras.optimizers.SGD(1.0),
        loss=lambda y_true, y_pred: keras.ops.sum(y_pred, axis=-1),
        jit_compile=jit_compile,
    )
    model.optimizer.build(model.trainable_variables)
    recorder = Recorder()
    settings = {"batch_size": batch_size, "epochs": epochs, "shuffle": False, "verbose": 0}
    model.fit(x, np.zeros((len(x), 1), "float32"), callbacks=[recorder], **settings)
    return [-batch_size * kernel for kernel in recorder.kernels], model


def test_dropout_masks_of_a_fit_are_bit_equal():
    keras.utils.set_random_seed(3)
    rows = 2.0 ** np.arange(8, dtype="float32")[:, None] * np.ones((1, 40), "float32")
    sums, model = train(keras.layers.Dropout(0.5), rows, 4, epochs=3)
    (seed,) = random.keras_layer_seeds(3, 1)
    key = random.keras_key([seed])
    assert len(sums) == 6
    for step, total in enumerate(sums):
        keep = random.keep_mask(random.at_step(key, step).source(0), 0.5, (4, 40))
        batch = rows[:4] if step % 2 == 0 else rows[4:]
        np.testing.assert_array_equal(total, np.sum(np.where(keep, 2 * batch, 0), axis=0))
    assert model.layers[0].seed_generator.state.numpy().tolist() == [seed, 6]


def test_a_fit_compiled_by_xla_takes_the_other_end_of_the_same_words():
    """A known difference: the numbers are the words' high 23 bits, elsewhere their low 23."""
    keras.utils.set_random_seed(3)
    rows = 2.0 ** np.arange(4, dtype="float32")[:, None] * np.ones((1, 40), "float32")
    sums, _ = train(keras.layers.Dropout(0.5), rows, 4, epochs=2, jit_compile=True)
    (seed,) = random.keras_layer_seeds(3, 1)
    for step, total in enumerate(sums):
        blocks = stateless_blocks(jnp.int32(seed), jnp.int32(step), jnp.arange(40, dtype=jnp.uint32))
        keep = (np.stack(blocks, axis=-1).reshape(4, 40) >> 9) / 2**23 >= 0.5
        np.testing.assert_array_equal(total, np.sum(np.where(keep, 2 * rows, 0), axis=0))
        assert not np.array_equal(keep, random.keep_mask(random.keras_seed(seed, step), 0.5, (4, 40)))


def test_inference_counts_no_draw():
    keras.utils.set_random_seed(3)
    rows = np.ones((8, 5), "float32")
    sums, model = train(keras.layers.Dropout(0.5), rows, 8, epochs=1)
    model.evaluate(rows, rows[:, :1], verbose=0)
    model.predict(rows, verbose=0)
    assert len(sums) == 1
    assert model.layers[0].seed_generator.state.numpy().tolist() == [*random.keras_layer_seeds(3, 1), 1]


@pytest.mark.parametrize(
    ("layer", "mean", "stddev"), [("GaussianNoise", 0.0, 0.2), ("GaussianDropout", 1.0, 0.5)]
)
def test_noise_of_a_fit(layer, mean, stddev):
    keras.utils.set_random_seed(4)
    rows = np.full((1, 300), 1.0 - (layer == "GaussianNoise"), "float32")
    sums, _ = train(getattr(keras.layers, layer)(0.2), rows, 1, epochs=3)
    (seed,) = random.keras_layer_seeds(4, 1)
    for step, total in enumerate(sums):
        noise = random.normal(random.keras_seed(seed, step), (1, 300), mean, stddev)
        # One unit in the last place of the noise before it is scaled, and one of the sum.
        np.testing.assert_allclose(total, noise[0], rtol=0, atol=2.4e-7 * stddev + 1.2e-7 * mean * 2)
