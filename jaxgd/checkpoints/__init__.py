"""Checkpoints: any pytree of arrays in a file that is whole or not there, and the folder of a run's."""

from jaxgd.checkpoints.errors import (
    CheckpointError,
    CheckpointVersionError,
    CheckpointWarning,
    FolderInUseError,
)
from jaxgd.checkpoints.file import Contents, load_checkpoint, read_checkpoint, save_checkpoint
from jaxgd.checkpoints.folder import CheckpointFolder
from jaxgd.checkpoints.identity import describe, differences, tree_digest
from jaxgd.checkpoints.lock import locked

__all__ = [
    "CheckpointError",
    "CheckpointFolder",
    "CheckpointVersionError",
    "CheckpointWarning",
    "Contents",
    "FolderInUseError",
    "describe",
    "differences",
    "load_checkpoint",
    "locked",
    "read_checkpoint",
    "save_checkpoint",
    "tree_digest",
]
