"""The tree of errors, grouped by what a caller would do about them.

Each class has a stable ``code``, and the exit status that the command line ends with::

    StateError                        state                 1
    ├── SettingsError                 settings              2   ValueError
    │   ├── InvalidNameError          invalid-name          2
    │   └── UnknownOptionError        unknown-option        2   TypeError
    ├── NotFoundError                 not-found             3   FileNotFoundError
    │   ├── ObjectNotFoundError       object-not-found      3
    │   ├── BucketNotFoundError       bucket-not-found      3
    │   ├── JobNotFoundError          job-not-found         3
    │   ├── StageNotFoundError        stage-not-found       3
    │   ├── RevisionNotFoundError     revision-not-found    3
    │   │   └── PrunedError           pruned                3
    │   └── PathNotFoundError         path-not-found        3
    ├── ConflictError                 conflict              4
    │   ├── ObjectExistsError         object-exists         4   FileExistsError
    │   ├── StageConflictError        stage-conflict        4
    │   ├── TargetConflictError       target-conflict       4   FileExistsError
    │   └── FeatureConflictError      feature-conflict      4
    ├── InvalidDataError              invalid-data          5   ValueError
    │   ├── InvalidOutputError        invalid-output        5
    │   ├── InvalidManifestError      invalid-manifest      5
    │   └── InvalidWorkflowError      invalid-workflow      5
    ├── IntegrityError                integrity             6
    │   └── UnsupportedFormatError    unsupported-format    6
    ├── StorageError                  storage               7   OSError
    │   ├── StoreUnreachableError     store-unreachable     7
    │   ├── AccessDeniedError         access-denied         7   PermissionError
    │   ├── UnsupportedStoreError     unsupported-store     7
    │   └── CommitUncertainError      commit-uncertain      7
    ├── EngineError                   engine                7
    └── BlockError                    block                 8
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from up42_state.secrets.redaction import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "AccessDeniedError",
    "BlockError",
    "BucketNotFoundError",
    "CommitUncertainError",
    "ConflictError",
    "Defect",
    "EngineError",
    "FeatureConflictError",
    "IntegrityError",
    "InvalidDataError",
    "InvalidManifestError",
    "InvalidNameError",
    "InvalidOutputError",
    "InvalidWorkflowError",
    "JobNotFoundError",
    "NotFoundError",
    "ObjectExistsError",
    "ObjectNotFoundError",
    "PathNotFoundError",
    "PrunedError",
    "RevisionNotFoundError",
    "SettingsError",
    "StageConflictError",
    "StageNotFoundError",
    "StateError",
    "StorageError",
    "StoreUnreachableError",
    "TargetConflictError",
    "UnknownOptionError",
    "UnsupportedFormatError",
    "UnsupportedStoreError",
]


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that is wrong with a document, where it stands, and what to do about it.

    :param place: a path into the document, ``features[17].properties["up42.data_path"]`` or a JSON pointer.
    :param problem: what is wrong there.
    :param advice: what to do about it; may be empty.
    """

    place: str
    problem: str
    advice: str = ""

    def __post_init__(self) -> None:
        """Take secrets out of the problem: it quotes the document, which may hold some."""
        object.__setattr__(self, "problem", without_credentials(self.problem))

    def __str__(self) -> str:
        text = f"{self.place}: {self.problem}"
        return f"{text}; {self.advice}" if self.advice else text

    def to_dict(self) -> dict[str, str]:
        """Return the defect as a JSON object."""
        return {"place": self.place, "problem": self.problem, "advice": self.advice}


class StateError(Exception):
    """The base of all errors that up42_state itself reports.

    :param message: what happened, and to which job, stage, file or setting; secrets are taken out.
    :param advice: what the reader can do next.
    """

    code: ClassVar[str] = "state"
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, advice: str = "") -> None:
        # Messages often include an SDK's words, and an SDK quotes whatever it was given.
        self.message = without_credentials(message)
        self.advice = without_credentials(advice) if advice else ""
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} – {self.advice}" if self.advice else self.message


class SettingsError(StateError, ValueError):
    """A setting or an argument is missing, malformed or contradicts another."""

    code = "settings"
    exit_status = 2


class InvalidNameError(SettingsError):
    """A job key or a stage name is not made of the allowed characters."""

    code = "invalid-name"


class UnknownOptionError(SettingsError, TypeError):
    """A function was given an option that it does not have; the advice names the option that is like it."""

    code = "unknown-option"


class NotFoundError(StateError, FileNotFoundError):
    """What was asked for does not exist."""

    code = "not-found"
    exit_status = 3


class ObjectNotFoundError(NotFoundError):
    """The bucket holds no object under this key."""

    code = "object-not-found"


class BucketNotFoundError(NotFoundError):
    """The bucket itself does not exist."""

    code = "bucket-not-found"


class JobNotFoundError(NotFoundError):
    """The store holds no such job."""

    code = "job-not-found"


class StageNotFoundError(NotFoundError):
    """The job holds no such stage, or the stage was removed."""

    code = "stage-not-found"


class RevisionNotFoundError(NotFoundError):
    """The stage has no such revision."""

    code = "revision-not-found"


class PrunedError(RevisionNotFoundError):
    """The revision existed, but its bytes were pruned."""

    code = "pruned"


class PathNotFoundError(NotFoundError):
    """The stage or the directory holds no such file."""

    code = "path-not-found"


class ConflictError(StateError):
    """Something else stands where the result should go."""

    code = "conflict"
    exit_status = 4


class ObjectExistsError(ConflictError, FileExistsError):
    """A create-only write found an object under its key."""

    code = "object-exists"


class StageConflictError(ConflictError):
    """The stage has a revision that the caller's ``expect`` or ``if_exists`` does not allow."""

    code = "stage-conflict"


class TargetConflictError(ConflictError, FileExistsError):
    """The target directory holds files that would be lost."""

    code = "target-conflict"


class FeatureConflictError(ConflictError):
    """Two stages hold the same feature with different content, and the caller asked for an error."""

    code = "feature-conflict"


class InvalidDataError(StateError, ValueError):
    """A document is not what its specification asks for; ``defects`` lists everything that is wrong.

    :param defects: all defects found, in document order.
    """

    code = "invalid-data"
    exit_status = 5

    def __init__(self, message: str, *, defects: Iterable[Defect] = (), advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.defects = tuple(defects)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {defect}" for defect in self.defects)])


class InvalidOutputError(InvalidDataError):
    """A block's output (``data.json`` and the files beside it) breaks the block contract."""

    code = "invalid-output"


class InvalidManifestError(InvalidDataError):
    """A block manifest is not valid."""

    code = "invalid-manifest"


class InvalidWorkflowError(InvalidDataError):
    """A workflow is not valid, or its blocks do not fit together."""

    code = "invalid-workflow"


class IntegrityError(StateError):
    """Stored bytes are not the bytes that were saved."""

    code = "integrity"
    exit_status = 6


class UnsupportedFormatError(IntegrityError):
    """The stage was written in a format that this version does not know."""

    code = "unsupported-format"


class StorageError(StateError, OSError):
    """The store did not do what it was asked to do."""

    code = "storage"
    exit_status = 7


class StoreUnreachableError(StorageError):
    """The store did not answer, or answered that it cannot at the moment."""

    code = "store-unreachable"


class AccessDeniedError(StorageError, PermissionError):
    """The store refused the credentials, or does not permit them the operation."""

    code = "access-denied"


class UnsupportedStoreError(StorageError):
    """The store lacks a capability that the operation needs."""

    code = "unsupported-store"


class CommitUncertainError(StorageError):
    """The store did not answer whether the commit was written, and it could not be read back."""

    code = "commit-uncertain"


class EngineError(StateError):
    """What runs blocks, such as docker or podman, is not there or does not answer."""

    code = "engine"
    exit_status = 7


class BlockError(StateError):
    """A task of a workflow failed: its block, or the saving of its output."""

    code = "block"
    exit_status = 8
