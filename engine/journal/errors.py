"""What can go wrong with a journal, one class per thing an operator would do differently."""

from __future__ import annotations

from pathlib import Path


class JournalError(Exception):
    """Anything about the journal directory; the text is one sentence for the operator."""


class DirectoryInUseError(JournalError):
    """Another engine holds the directory."""


class JournalCorruptError(JournalError):
    """Bytes that should be there are not, or are not what was written. Names file and byte."""

    def __init__(self, path: Path, offset: int, what: str) -> None:
        super().__init__(f"journal damaged: {path} at byte {offset}: {what}")
        self.path = path
        self.offset = offset
        self.what = what


class JournalBehindError(JournalError):
    """The journal ends before a position that was already published as durable."""


class JournalVersionError(JournalError):
    """Commands were journaled under rules that this program does not have."""


class JournalFullError(JournalError):
    """No room for another segment. Nothing was written or applied."""


class JournalWriteError(JournalError):
    """A write or fdatasync failed: what is on disk is unknown and the process must end."""
