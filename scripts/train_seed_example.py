"""The GradientTape example, in JAX: a 5-10-1 network, mean squared error, SGD, ten epochs.

In TensorFlow the loop is `with tf.GradientTape() as tape: loss = ...`, then `tape.gradient`, then
`optimizer.apply_gradients`. Here the loss is a pure function, `make_step` differentiates it and applies the
update, and `train` compiles the ten steps into one program that runs unchanged on CPU, GPU and TPU.
SGD needs 8 bytes a parameter in float32 (itself and its gradient); all 32 rows are one batch, as in the
example. For other optimizers and batches: docs/scaling.md.

    python scripts/train_seed_example.py
"""

import numpy as np

import jaxgd


def main() -> None:
    rng = np.random.default_rng(0)
    data = {
        "x": rng.random((32, 5), dtype=np.float32),
        "y": rng.random((32, 1), dtype=np.float32),
    }

    # The model is a description; its parameters are a plain dict of arrays.
    model = jaxgd.mlp([5, 10, 1], activation="relu", output_activation="sigmoid")
    params = model.init(0)  # the numbers that Keras draws after set_random_seed(0)

    # What the tape recorded is a function here. Any pure function of (params, batch, key) will do.
    def objective(params, batch, key):
        y_pred = model.apply(params, batch["x"])
        return jaxgd.losses.mean_squared_error(batch["y"], y_pred)

    # gradient and apply_gradients are one step ...
    optimizer = jaxgd.optimizers.sgd(learning_rate=0.01)
    step = jaxgd.make_step(objective, optimizer)
    state = jaxgd.TrainState.create(params=params, optimizer=optimizer)

    # ... and the loop is a schedule of rows: ten epochs of one batch of 32.
    schedule = jaxgd.make_schedule(num_rows=32, batch_size=32, epochs=10)
    state, history = jaxgd.train(step, state, data, schedule)

    for epoch, loss in enumerate(history["loss"], start=1):
        print(f"Epoch {epoch}, Loss: {loss:.6f}")


if __name__ == "__main__":
    jaxgd.use_compilation_cache()  # the next run of this script does not compile again
    main()
