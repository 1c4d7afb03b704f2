"""Multilayer perceptrons trained by gradient descent as pure JAX functions, in Keras's meaning."""

__version__ = "0.1.0"
