"""What can be wrong with a checkpoint, or with the folder it is in."""


class CheckpointError(ValueError):
    """A checkpoint that is damaged, incomplete, or of something else. The message says what and where.

    >>> issubclass(CheckpointError, ValueError)
    True
    """


class CheckpointVersionError(CheckpointError):
    """A checkpoint of a newer format: whole, but not for this version to read."""


class FolderInUseError(CheckpointError):
    """Another run holds the folder."""


class CheckpointWarning(UserWarning):
    """A run goes on, but not quite as one would expect: from an older checkpoint, or on another machine."""
