"""PyTorch's update rules, written from its documentation: functions of (t, grad, value, slots).

Rates that are functions take the step, counted from 0.
"""

import numpy as np


def torch_sgd(lr, momentum=0.0, dampening=0.0, nesterov=False, decay=0.0):
    def rule(t, grad, value, slots):
        grad = grad + decay * value
        buffer = grad if t == 1 else momentum * slots["b"] + (1 - dampening) * grad
        slots["b"] = buffer
        return value - lr(t - 1) * (grad + momentum * buffer if nesterov else buffer)

    return rule


def torch_adam(lr, beta_1, beta_2, epsilon, coupled=0.0, decoupled=0.0):
    def rule(t, grad, value, slots):
        value = value * (1 - lr(t - 1) * decoupled)
        grad = grad + coupled * value
        slots["m"] = beta_1 * slots.get("m", 0 * grad) + (1 - beta_1) * grad
        slots["v"] = beta_2 * slots.get("v", 0 * grad) + (1 - beta_2) * grad * grad
        divisor = np.sqrt(slots["v"]) / np.sqrt(1 - beta_2**t) + epsilon
        return value - lr(t - 1) / (1 - beta_1**t) * slots["m"] / divisor

    return rule


def torch_rmsprop(lr, alpha, epsilon, momentum):
    def rule(t, grad, value, slots):
        slots["v"] = alpha * slots.get("v", 0 * grad) + (1 - alpha) * grad * grad
        slots["b"] = momentum * slots.get("b", 0 * grad) + grad / (np.sqrt(slots["v"]) + epsilon)
        return value - lr(t - 1) * slots["b"]

    return rule


def torch_adagrad(lr, lr_decay, epsilon):
    def rule(t, grad, value, slots):
        slots["s"] = slots.get("s", 0 * grad) + grad * grad
        return value - lr / (1 + (t - 1) * lr_decay) * grad / (np.sqrt(slots["s"]) + epsilon)

    return rule


def torch_nadam(lr, beta_1, beta_2, epsilon, momentum_decay):
    def rule(t, grad, value, slots):
        now, ahead = (beta_1 * (1 - 0.5 * 0.96 ** (s * momentum_decay)) for s in (t, t + 1))
        slots["p"] = slots.get("p", 1.0) * now
        slots["m"] = beta_1 * slots.get("m", 0 * grad) + (1 - beta_1) * grad
        slots["v"] = beta_2 * slots.get("v", 0 * grad) + (1 - beta_2) * grad * grad
        divisor = np.sqrt(slots["v"] / (1 - beta_2**t)) + epsilon
        value = value - lr * (1 - now) / (1 - slots["p"]) * grad / divisor
        return value - lr * ahead / (1 - slots["p"] * ahead) * slots["m"] / divisor

    return rule


def always(rate):
    return lambda t: rate
