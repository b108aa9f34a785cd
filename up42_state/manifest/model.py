"""A block manifest as typed, read-only records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from up42_state.errors import Defect, InvalidManifestError, PathNotFoundError, SettingsError
from up42_state.machine.paths import local_path
from up42_state.manifest import schema
from up42_state.manifest.syntax import MAX_BYTES
from up42_state.manifest.validation import Validation, validate, validate_text

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

__all__ = ["Machine", "Manifest", "OptionalFeatures", "Parameter", "read_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The computing resource that a block asks for.

    :param cpu: in CPUs; may be a fraction.
    :param memory: in GB.
    :param gpu: in GPUs.
    """

    type: str
    cpu: float
    memory: float
    gpu: int

    @classmethod
    def named(cls, name: str) -> Machine:
        """Return one of the eight documented machine types."""
        has = schema.machine_resources()[name]
        return cls(type=name, cpu=has["cpu"], memory=has["memory"], gpu=int(has["gpu"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A query filter of a data block, or a run-time parameter of a processing block.

    :param default: the value that a job takes if it gives none; ``None`` if there is no default.
    :param definition: the parameter as the manifest has it.
    """

    name: str
    type: str
    default: object = None
    required: bool = False
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    items: Mapping[str, Any] | None = None
    definition: Mapping[str, Any] = field(repr=False, compare=False, default_factory=dict)

    @classmethod
    def from_definition(cls, name: str, definition: Mapping[str, Any]) -> Parameter:
        """Read one parameter of a valid manifest."""
        known = ("type", "default", "required", "description", "minimum", "maximum", "items")
        values = {key: definition[key] for key in known if key in definition}
        return cls(name=name, definition=definition, **values)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionalFeatures:
    """What a data block can do besides fetching data."""

    quicklook_supported: bool = False
    dry_run_supported: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A valid block manifest.

    :param specification_version: 2, or 1 for a superseded manifest, whose capabilities are dotted names.
    :param warnings: what the validation found odd, but not wrong.
    :param document: the manifest as JSON, with members that the documentation does not name.
    """

    specification_version: int
    name: str
    type: Literal["data", "processing"]
    display_name: str
    description: str
    machine: Machine
    parameters: Mapping[str, Parameter]
    input_capabilities: Mapping[str, Any]
    output_capabilities: Mapping[str, Any]
    tags: tuple[str, ...] = ()
    optional_features: OptionalFeatures = OptionalFeatures()
    warnings: tuple[Defect, ...] = field(default=(), repr=False, compare=False)
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def superseded(self) -> bool:
        """True if the manifest has specification version 1."""
        return self.specification_version == 1

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Manifest:
        """Read and validate a manifest file.

        :raises PathNotFoundError: there is no such file.
        :raises InvalidManifestError: the manifest is not valid; ``defects`` has everything that is wrong.
        """
        return cls._validated(validate_text(read_text(path)), f"the manifest {path} is not valid")

    @classmethod
    def from_json(cls, source: str | bytes | Mapping[str, Any]) -> Manifest:
        """Validate a manifest that is given as JSON text or as a parsed JSON object.

        :raises InvalidManifestError: the manifest is not valid; ``defects`` has everything that is wrong.
        """
        found = validate_text(source) if isinstance(source, (str, bytes)) else validate(source)
        return cls._validated(found, "the manifest is not valid")

    @classmethod
    def _validated(cls, found: Validation, message: str) -> Manifest:
        if not found.valid:
            raise InvalidManifestError(message, defects=found.errors)
        document = cast("dict[str, Any]", found.document)
        parameters = document["parameters"].items()
        features = document.get("optional_features", {})
        known = ("quicklook_supported", "dry_run_supported")
        return cls(
            specification_version=int(document["_up42_specification_version"]),
            name=document["name"],
            type=document["type"],
            display_name=document["display_name"],
            description=document["description"],
            machine=Machine.named(document["machine"]["type"]),
            parameters={name: Parameter.from_definition(name, p) for name, p in parameters},
            input_capabilities=document["input_capabilities"],
            output_capabilities=document["output_capabilities"],
            tags=tuple(document.get("tags", ())),
            optional_features=OptionalFeatures(**{key: features[key] for key in known if key in features}),
            warnings=found.warnings,
            document=document,
        )


def read_text(path: str | os.PathLike[str]) -> bytes:
    """Read a manifest file, but no more than one byte beyond the size that a manifest may have.

    :raises PathNotFoundError: there is no such file.
    :raises SettingsError: the file is a directory, may not be read, or has a name that cannot be a path.
    """
    try:
        with local_path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise PathNotFoundError(f"there is no file {path}") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
