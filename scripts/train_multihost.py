"""One run on several hosts, each with its own rows; on one host it is the same run on one.

    python scripts/train_multihost.py x.npy y.npy --coordinator HOST:1234 --num-processes 2 --process-id 0
    srun python scripts/train_multihost.py x.npy y.npy --coordinator auto    (a JobSet, a TPU pod too)

A device holds, for Adam in float32, 16 bytes a parameter (itself, two slots, its gradient) and at most
4 * (2 * sum + largest) bytes for each row of its share of the batch, of the widths of inputs and layers;
`jaxgd.training.memory_of` tells it for every optimizer, docs/scaling.md says how to choose a batch size.
Dividing a batch pays while a share keeps the products busy: 32 rows and more on a core, 256 and more on a
GPU or TPU, in multiples of 8. Below that take fewer devices, or a larger batch with a larger learning rate.
On one host `fit(devices="auto")` looks for itself; for many hosts docs/scaling.md has a model.
"""

import argparse

import jax
import numpy as np
from sklearn.datasets import load_digits

import jaxgd
from jaxgd import scaling


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE.npy", help="rows and labels; none: digits")
    parser.add_argument("--coordinator", help="HOST:PORT of process 0, or auto")
    parser.add_argument("--num-processes", type=int)
    parser.add_argument("--process-id", type=int)
    parser.add_argument("--checkpoint", help="a folder that all hosts share; go on from there")
    parser.add_argument("--epochs", type=int, default=20)
    given = parser.parse_args(arguments)

    if given.coordinator:  # before anything else of JAX
        address = None if given.coordinator == "auto" else given.coordinator
        scaling.connect(address, given.num_processes, given.process_id)

    if given.files:  # mapped: of the file, each host reads the pages of its own rows alone
        x, y = (np.load(file, mmap_mode="r") for file in given.files)
    else:
        x, y = load_digits(return_X_y=True)
    classes = int(y.max()) + 1
    model = jaxgd.mlp([x.shape[1], 128, 64, classes], activation="relu", output_activation="softmax")
    loss, checkpoint = "sparse_categorical_crossentropy", given.checkpoint
    result = jaxgd.fit(
        model, x, y, loss=loss, optimizer="adam", epochs=given.epochs, batch_size=128, checkpoint=checkpoint
    )
    if jax.process_index() == 0:
        losses = result.history["loss"]
        print(f"loss {losses[0]:.4f}, after {len(losses)} epochs {losses[-1]:.4f}")


if __name__ == "__main__":
    try:
        main()
    except (scaling.HostsError, scaling.HostLostError) as error:
        print(f"Error: {error}", flush=True)
        scaling.leave(1)
