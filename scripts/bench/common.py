"""What several peers need of a case: where the weights start, and the rows of each batch. NumPy alone."""

import numpy as np


def init_weights(case, seed=None):
    """[(kernel, bias)] of every layer; those of one seed where the case is a sweep."""
    values = vars(case)
    pairs = [(values[f"kernel_{i}"], values[f"bias_{i}"]) for i in range(len(case.sizes) - 1)]
    return pairs if seed is None else [(kernel[seed], bias[seed]) for kernel, bias in pairs]


def order_of(case, epoch, seed=None):
    """int32[rows]: the order of an epoch."""
    orders = case.orders if seed is None else case.orders[seed]
    return orders[epoch % len(orders)]


def is_full_batch(case):
    """Whether each epoch is one batch of all rows as they stand."""
    return case.batch >= len(case.x)


def each_batch(case, epochs, seed=None):
    """(x, y) of every batch, as a loop over slices of shuffled arrays gives them."""
    x, y = case.x, case.y
    for epoch in range(epochs):
        if not is_full_batch(case):
            order = order_of(case, epoch, seed)
            x, y = case.x[order], case.y[order]
        for start in range(0, len(x), case.batch):
            yield x[start : start + case.batch], y[start : start + case.batch]


def batch_orders(case, epochs, seed=None):
    """int32[steps, batch]: the rows of every step, -1 where the last batch of an epoch is short."""
    orders = case.orders if seed is None else case.orders[seed]
    orders = orders[np.arange(epochs) % len(orders)]
    missing = -orders.shape[1] % case.batch
    return np.pad(orders, ((0, 0), (0, missing)), constant_values=-1).reshape(-1, case.batch)


def members_of(case):
    """(seed, learning rate) of every run of a sweep."""
    return [(seed, rate) for rate in case.rates.tolist() for seed in range(case.num_seeds)]
