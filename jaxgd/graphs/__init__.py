"""Models that are a graph of layers: several inputs and outputs, branches, merges, shared layers."""

from jaxgd.graphs.building import graph
from jaxgd.graphs.model import Graph
from jaxgd.graphs.parts import Call, Input, Ref, Result

__all__ = ["Call", "Graph", "Input", "Ref", "Result", "graph"]
