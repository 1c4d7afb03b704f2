"""Digits: 1,797 real images of 8 x 8 pixels, ten classes, held-out accuracy after every epoch.

The whole run, validation and early stopping included, is one compiled program.
Memory with Adam in float32: 16 bytes a parameter (itself, two slots, its gradient), 0.28 MB here, and 0.13 MB
for a batch of 32, Keras's size; docs/scaling.md tells it for every optimizer, and how to choose a batch.

    python scripts/train_digits.py
"""

from sklearn.datasets import load_digits

import jaxgd


def main() -> None:
    x, y = load_digits(return_X_y=True)

    # Pixels run from 0 to 16; a rescaling layer keeps that knowledge inside the model.
    model = jaxgd.sequential(
        [
            jaxgd.layers.rescaling(1 / 16),
            jaxgd.layers.dense(128, "relu"),
            jaxgd.layers.dropout(0.2),
            jaxgd.layers.dense(64, "relu"),
            jaxgd.layers.dense(10, "softmax"),
        ],
        input_size=64,
    )
    print(model.summary())

    result = jaxgd.fit(
        model,
        x,
        y,
        loss="sparse_categorical_crossentropy",  # sees the softmax's logits, as in Keras
        optimizer=jaxgd.optimizers.adam(learning_rate=2e-3),
        metrics=["accuracy"],
        epochs=60,
        validation_split=0.2,  # the last fifth of the rows, as in Keras
        early_stopping=jaxgd.EarlyStopping(patience=10, restore_best_weights=True),
        seed=0,
    )
    history = result.history
    for epoch in range(0, history.epochs, 5):
        print(
            f"epoch {epoch + 1:3d}  loss {history['loss'][epoch]:.4f}  "
            f"held out: loss {history['val_loss'][epoch]:.4f}  accuracy {history['val_accuracy'][epoch]:.4f}"
        )
    best = history["val_loss"].argmin()
    print(f"best epoch {best + 1}: accuracy {history['val_accuracy'][best]:.4f}")
    print(
        f"compiled {result.compilations} program in {result.seconds['compile']:.1f} s, "
        f"ran {history.epochs} epochs in {result.seconds['run']:.2f} s"
    )


if __name__ == "__main__":
    jaxgd.use_compilation_cache()  # the next run of this script does not compile again
    main()
