"""The seed example in PyTorch; weights come from the file that is named, so that losses are equal."""

# pyright: reportMissingImports=false

import sys

import numpy as np
import torch

rng = np.random.default_rng(0)
x = torch.from_numpy(rng.random((32, 5), dtype=np.float32))
y = torch.from_numpy(rng.random((32, 1), dtype=np.float32))

first, second = torch.nn.Linear(5, 10), torch.nn.Linear(10, 1)
model = torch.nn.Sequential(first, torch.nn.ReLU(), second, torch.nn.Sigmoid())
weights = np.load(sys.argv[1])
with torch.no_grad():
    for index, layer in enumerate((first, second)):
        layer.weight.copy_(torch.from_numpy(weights[f"kernel_{index}"].T.copy()))
        layer.bias.copy_(torch.from_numpy(weights[f"bias_{index}"]))
loss_fn = torch.nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

for epoch in range(1, 11):
    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.step()
    print(f"Epoch {epoch}, Loss: {loss.item():.6f}")
