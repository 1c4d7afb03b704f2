"""Write a trace from PyTorch, as an example for other frameworks: a small classifier trained with Adam.

    python scripts/record_torch_trace.py torch.trace.npz && jaxgd parity verify torch.trace.npz

Needs torch and numpy, not jaxgd: docs/parity-traces.md says all that a writer has to know.
"""

import hashlib
import io
import json
import sys
import zipfile

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

FEATURES, HIDDEN, CLASSES, ROWS, BATCH, EPOCHS = 4, 6, 3, 14, 8, 3
ADAM = {"learning_rate": 0.01, "b1": 0.9, "b2": 0.999, "eps": 1e-8}
LAYERS = [
    {"class_name": "InputLayer", "config": {"batch_shape": [None, FEATURES]}},
    {"class_name": "Dense", "config": {"name": "hidden", "units": HIDDEN, "activation": "relu"}},
    {"class_name": "Dense", "config": {"name": "out", "units": CLASSES}},
]
FACTS = {
    "format": "jaxgd-trace",
    "version": 1,
    "name": "torch_adam",
    "framework": f"torch {torch.__version__}",
    "dtype": "float64",
    "model": {"class_name": "Sequential", "config": {"layers": LAYERS}},
    "loss": {"class_name": "SparseCategoricalCrossentropy", "config": {"from_logits": True}},
    "optimizer": {"library": "optax", "name": "adam", "arguments": ADAM},
    "batch_size": BATCH,
    "epochs": EPOCHS,
}


def note(columns, prefix, network, value_of):
    """Append the arrays of both layers, kernels as [fan_in, fan_out]: PyTorch keeps them transposed."""
    for name, layer in (("hidden", network[0]), ("out", network[2])):
        kernel, bias = value_of(layer.weight), value_of(layer.bias)
        columns.setdefault(f"{prefix}/{name}/kernel", []).append(kernel.detach().numpy().T.copy())
        columns.setdefault(f"{prefix}/{name}/bias", []).append(bias.detach().numpy().copy())


def train():
    """{path: array} of a run."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)  # in float32 optax and PyTorch round bias corrections differently
    hidden, out = torch.nn.Linear(FEATURES, HIDDEN), torch.nn.Linear(HIDDEN, CLASSES)
    network = torch.nn.Sequential(hidden, torch.nn.ReLU(), out)
    optimizer = torch.optim.Adam(network.parameters(), lr=ADAM["learning_rate"], eps=ADAM["eps"])
    x, y = torch.randn(ROWS, FEATURES), torch.randint(0, CLASSES, (ROWS,))
    rows = np.pad(np.arange(ROWS, dtype=np.int32), (0, -ROWS % BATCH), constant_values=-1)
    schedule = np.tile(rows.reshape(-1, BATCH), (EPOCHS, 1))  # -1 pads the short last batch
    columns = {"losses": []}
    note(columns, "params", network, lambda parameter: parameter)
    for batch in schedule:
        taken = torch.from_numpy(batch[batch >= 0]).long()
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(x[taken]), y[taken])
        loss.backward()
        optimizer.step()
        columns["losses"].append(loss.detach().numpy())
        note(columns, "grads", network, lambda parameter: parameter.grad)
        note(columns, "params", network, lambda parameter: parameter)
    data = {"data/x": x.numpy(), "data/y": y.numpy().astype(np.int32), "schedule": schedule}
    return data | {path: np.stack(values) for path, values in columns.items()}


def write(path, arrays):
    """The archive: manifest.json, and one .npy an array with its SHA-256 in the manifest."""
    entries = {
        name: {
            "dtype": a.dtype.str,
            "shape": list(a.shape),
            "sha256": hashlib.sha256(a.tobytes()).hexdigest(),
        }
        for name, a in arrays.items()
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps({**FACTS, "arrays": entries}))
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(f"{name}.npy", buffer.getvalue())


if __name__ == "__main__":
    write(sys.argv[1], train())
