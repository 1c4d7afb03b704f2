"""What a run was made with: versions, device, precision."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import jax

import jaxgd

_PACKAGES = ("jax", "jaxlib", "numpy", "optax", "flax", "h5py", "polars", "scikit-learn")
_VARIABLES = ("JAX_PLATFORMS", "JAX_ENABLE_X64", "JAX_DEFAULT_MATMUL_PRECISION", "XLA_FLAGS")


def environment() -> dict[str, Any]:
    """Versions, system and devices, as JSON takes them."""
    return {
        "jaxgd": jaxgd.__version__,
        **{name: _version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "backend": jax.default_backend(),
        "devices": [_describe(device) for device in jax.devices()],
    }


def flags() -> dict[str, Any]:
    """What changes how JAX computes: its own settings and the variables that were set."""
    return {
        "float64 enabled": bool(jax.config.read("jax_enable_x64")),
        "default matmul precision": getattr(jax.config, "jax_default_matmul_precision", None) or "default",
        **{name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _describe(device: Any) -> str:
    return f"{device.platform}:{device.id} {device.device_kind}"
