"""Run in a process of its own with eight forced devices: what a run's program sends, whose buffers it takes.

Prints a JSON object of facts.
"""

import json
import os
import tempfile
import warnings

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

import jax
import numpy as np

import jaxgd
from jaxgd import _programs
from jaxgd.scaling import Forecast, Layout, forecast
from jaxgd.scaling.collectives import collectives
from jaxgd.sweeps.engine import Engine
from jaxgd.training import spreading


def fit(devices, **options):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 24)).astype(np.float32)
    y = rng.normal(size=(256, 2)).astype(np.float32)
    model = jaxgd.mlp([24, 32, 2], activation="relu")
    return jaxgd.fit(
        model, x, y, batch_size=64, devices=devices, **{"optimizer": "adam", "epochs": 2, **options}
    )


def program(layout):
    result = fit(layout)
    text = list(_programs._programs.values())[-1].as_text()
    return result, text


def facts(layout):
    result, text = program(layout)
    found = [each._asdict() for each in collectives(text)]
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(result.params))
    aliases = text.splitlines()[0].count("may-alias") + text.splitlines()[0].count("must-alias")
    return {
        "collectives": found,
        "params": size,
        "aliases": aliases,
        "leaves": len(jax.tree.leaves(result.state)),
        "compiled": result.compilations,
        "again": fit(layout).compilations,
    }


def resumed():
    """Two epochs on 8 devices, two more on 2, beside four on one."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(Layout(8), checkpoint=folder)
        two = fit(Layout(2), checkpoint=folder, epochs=4)
        one = fit(None, epochs=4)
    pairs = zip(jax.tree.leaves(two.params), jax.tree.leaves(one.params), strict=True)
    distance = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
    return {"distance": distance, "warned": " ".join(str(each.message) for each in caught)}


def auto(seconds):
    """What `devices="auto"` does with a forecast."""
    spreading.forecast = lambda kernels, batch_size, counts: Forecast(dict(zip(counts, seconds, strict=True)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = fit("auto")
    spreading.forecast = forecast
    devices = None if result.layout is None else result.layout.num_devices
    return {"devices": devices, "warned": " ".join(str(each.message) for each in caught)}


def diverged():
    huge = jaxgd.optimizers.sgd(1e18)
    one, several = (fit(each, optimizer=huge) for each in (None, Layout(8, rows="sharded")))
    return {"step": str(several.divergence)[:70], "alone": str(one.divergence)[:70]}


def restored():
    """A run that diverges, goes back and ends: on one device and on eight."""
    settings = {"optimizer": jaxgd.optimizers.sgd(1.5, momentum=0.9), "epochs": 6, "on_divergence": "restore"}
    one, several = (fit(each, **settings) for each in (None, Layout(8)))
    pairs = zip(jax.tree.leaves(several.params), jax.tree.leaves(one.params), strict=True)
    return {
        "times": [len(one.restored), len(several.restored)],
        "steps": [[each.step for each in result.restored] for result in (one, several)],
        "diverged": [str(one.divergence), str(several.divergence)],
        "distance": max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs),
    }


def sweep():
    x = np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)
    model, seen, original = jaxgd.mlp([4, 5, 1]), set(), Engine._arguments
    options = {"grid": {"learning_rate": [0.01, 0.02]}, "seeds": 3, "epochs": 2, "plan": "map", "lanes": 2}
    one = jaxgd.sweep(model, x, x[:, :1], **options)

    def watched(engine, *arguments):
        found = original(engine, *arguments)
        seen.update(device.id for leaf in jax.tree.leaves(found) for device in leaf.devices())
        return found

    Engine._arguments = watched
    two = jaxgd.sweep(model, x, x[:, :1], devices=2, **options)
    pairs = zip(one, two, strict=True)
    equal = all((a.history["loss"] == b.history["loss"]).all() for a, b in pairs)
    return {"equal": bool(equal), "devices": sorted(seen)}


def main():
    found = {"replicated": facts(Layout(8)), "sharded": facts(Layout(8, rows="sharded"))}
    found |= {"resumed": resumed(), "diverged": diverged(), "restored": restored(), "sweep": sweep()}
    found["small"] = auto([2e-5, 6e-5, 8e-5, 9e-5])
    found["large"] = auto([8e-3, 4e-3, 2.2e-3, 1.2e-3])
    found["measured"] = forecast([(24, 32), (32, 2)], 64, [1, 8]).seconds
    print(json.dumps(found))


if __name__ == "__main__":
    main()
