"""Loading JAX and what training needs of jaxgd, with a clock around it."""

import time


def load_training() -> float:
    """Import everything that a run needs, start JAX, and give the seconds that took."""
    started = time.perf_counter()
    import jax

    from jaxgd import reports, runs, training

    _ = reports, runs, training
    jax.devices()
    return time.perf_counter() - started
