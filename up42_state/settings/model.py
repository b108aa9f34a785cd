"""Settings: which variables there are, where their values come from, and which values make sense.

Precedence: argument > environment > secret file > default; and the store's own names (``UP42_STATE_AWS_…``,
``UP42_STATE_GOOGLE_…``) before the general ones. ``docs/settings.md`` is the reference for users.
"""

from __future__ import annotations

import json
import os
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field, Secret, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from up42_state.errors import SettingsError
from up42_state.options import SettingsOptions, refuse_unknown, spelled_out
from up42_state.secrets.redaction import public_url, remember
from up42_state.settings import values  # noqa: TC001 - pydantic evaluates annotations
from up42_state.settings.sources import (
    SECRET_DIRECTORIES,
    SECRETS_DIR,
    Environment,
    Files,
    Found,
    Origin,
    Rank,
    Variable,
    refuse_quotes,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import Unpack

__all__ = ["Settings", "variables"]

MIB = 1024 * 1024


def _variable(name: str) -> Variable:
    return Variable((name,))


def _store(*names: str, secret: bool = False) -> Variable:
    """Return variables that other programs read as well, led by the name for the store alone."""
    return Variable((f"UP42_STATE_{names[0]}", *names), secret)


_OnConflict = Literal["current", "earlier", "both", "error"] | None
_Sse = Literal["AES256", "aws:kms", "aws:kms:dsse"] | None


class _Values(BaseModel):
    """The fields of :class:`Settings`, checked together, and the origin of each value."""

    url: Annotated[str | None, Field(repr=False), _variable("UP42_STATE_URL")] = None
    job: Annotated[values.Name, _variable("UP42_STATE_JOB")] = None
    stage: Annotated[values.Name, _variable("UP42_STATE_STAGE")] = None
    after: Annotated[values.Names, _variable("UP42_STATE_AFTER")] = ()
    propagate: Annotated[values.Names, _variable("UP42_STATE_PROPAGATE")] = ()
    parameters: Annotated[
        values.Object, Variable(("UP42_TASK_PARAMETERS",), long=True), Field(default_factory=dict, repr=False)
    ]
    on_conflict: Annotated[_OnConflict, _variable("UP42_STATE_ON_CONFLICT")] = None
    match: Annotated[values.Pairs, _variable("UP42_STATE_MATCH")] = None
    job_mode: Annotated[Literal["DEFAULT", "DRY_RUN"], _variable("UP42_JOB_MODE")] = "DEFAULT"
    resume: Annotated[bool, _variable("UP42_STATE_RESUME")] = False
    code: Annotated[values.Name, _variable("UP42_STATE_CODE")] = None

    aws_access_key_id: Annotated[
        values.Hidden, _store("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", secret=True)
    ] = None
    aws_secret_access_key: Annotated[values.Hidden, _store("AWS_SECRET_ACCESS_KEY", secret=True)] = None
    aws_session_token: Annotated[values.Hidden, _store("AWS_SESSION_TOKEN", secret=True)] = None
    aws_profile: Annotated[values.Name, _store("AWS_PROFILE")] = None
    aws_region: Annotated[values.Region, _store("AWS_REGION", "AWS_DEFAULT_REGION")] = None
    aws_endpoint_url: Annotated[
        values.Url, Variable(("UP42_STATE_AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"))
    ] = None

    google_key: Annotated[values.Key, _store("GOOGLE_KEY_STRING", secret=True)] = None
    google_application_credentials: Annotated[values.KeyFile, _store("GOOGLE_APPLICATION_CREDENTIALS")] = None
    google_cloud_project: Annotated[values.Name, _store("GOOGLE_CLOUD_PROJECT")] = None
    storage_emulator_host: Annotated[values.Host, _variable("STORAGE_EMULATOR_HOST")] = None

    sse: Annotated[_Sse, _variable("UP42_STATE_SSE")] = None
    kms_key: Annotated[values.Name, _variable("UP42_STATE_KMS_KEY")] = None

    concurrency: Annotated[int, Field(ge=1, le=1024), _variable("UP42_STATE_CONCURRENCY")] = 16
    memory: Annotated[values.Size, Field(ge=64 * MIB), _variable("UP42_STATE_MEMORY")] = 256 * MIB
    pack_below: Annotated[values.Size, Field(ge=0, le=16 * MIB), _variable("UP42_STATE_PACK_BELOW")] = MIB
    single_writer: Annotated[bool, _variable("UP42_STATE_SINGLE_WRITER")] = False

    engine: Annotated[values.Name, _variable("UP42_STATE_ENGINE")] = None
    engine_network: Annotated[values.Name, _variable("UP42_STATE_ENGINE_NETWORK")] = None

    origins: dict[str, Origin] = Field(default_factory=dict, repr=False, exclude=True)
    _parameters_text: str = ""

    def __init__(self, **found: Any) -> None:
        found = _of_one_identity(found)
        given = {name: item.value for name, item in found.items()}
        origins = {name: item.origin for name, item in found.items()}
        _remember(self, given)
        try:
            super().__init__(**given | {"origins": origins})
        except ValidationError as error:
            problems = list(dict.fromkeys(_problems(error, origins)))
        else:
            problems = list(_contradictions(self))
        if problems:  # raised outside of the handler, so that no error that holds values is chained to it
            raise SettingsError("; ".join(problems))
        if isinstance(given.get("parameters"), str):
            self._parameters_text = given["parameters"]

    @property
    def parameters_text(self) -> str:
        """The text that the block's parameters were given as; empty if there was no text."""
        return self._parameters_text

    @property
    def parameters_file(self) -> str:
        """The file that the block's parameters were read from; empty if they came from elsewhere."""
        return self.origins["parameters"].path if "parameters" in self.origins else ""

    def source(self, name: str) -> str:
        """Say where an attribute's value came from: ``argument``, ``default``, or which variable or file."""
        return self.origins[name].text if name in self.origins else "default"

    def origin(self, name: str) -> Origin | None:
        """Return the origin of an attribute's value, or ``None`` if the value is the default."""
        return self.origins.get(name)

    def is_own(self, name: str) -> bool:
        """Tell whether a value was given for the store alone: as an argument, or under a name of ours."""
        return name in self.origins and self.origins[name].rank is not Rank.GENERAL

    def variable(self, name: str) -> str:
        """Name what advice about an attribute should name: the variable that gave the value, or the argument.

        Of a default, that is the variable that other programs read as well.
        """
        if name not in self.origins:
            return variables(type(self))[name].names_of(Rank.GENERAL)[0]
        origin = self.origins[name]
        return f"the argument {name}" if origin.rank is Rank.ARGUMENT else origin.variable


class Settings(BaseSettings, _Values):
    """Every setting, by the name of its attribute; an argument that is ``None`` counts as not given.

    ``url``, ``job``, ``stage``, ``after``, ``propagate``
        where the state lies, and the task's place in it; names are checked where they are used.
    ``on_conflict``, ``match``
        how ``exec`` and ``Block`` merge stages; ``match`` holds pairs (property of the current feature, of
        the earlier one).
    ``parameters``, ``job_mode``
        the block's parameters and ``DEFAULT`` or ``DRY_RUN``.
    ``resume``, ``code``
        whether a task that is done is not run again; what identifies the block's code.
    ``aws_…``, ``google_…``, ``storage_emulator_host``
        stores and credentials; where they are ``None`` the SDKs look for themselves.
    ``sse``, ``kms_key``
        encryption at rest.
    ``concurrency``, ``memory``, ``pack_below``
        requests under way at once; bytes in flight; bytes below which a file is packed (0: never).
    ``single_writer``
        whether racing saves may be lost, where a store cannot create atomically.
    ``engine``, ``engine_network``
        the program that runs the image blocks of workflows, and what it takes for ``--network``.

    :param _secrets_dir: directories of secret files, in order, in place of ``/run/secrets`` and
        ``/secret/environment``.
    :raises SettingsError: a value is malformed or contradicts another, or a secret file cannot be read.
    """

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @spelled_out(SettingsOptions)
    def __init__(
        self,
        *,
        url: str | None = None,
        _secrets_dir: Iterable[str | Path] = SECRET_DIRECTORIES,
        **options: Unpack[SettingsOptions],
    ) -> None:
        arguments = {"url": url, **options}
        refuse_quotes(os.environ)
        # BaseSettings has options of its own there, such as _env_file.
        if private := [name for name in arguments if name.startswith("_")]:
            raise SettingsError(f"argument {private[0]}: extra inputs are not permitted")
        refuse_unknown(options, [name for name in type(self).model_fields if name != "origins"])
        given: dict[str, Any] = {
            name: Found(value, Origin("argument", name, Rank.ARGUMENT))
            for name, value in arguments.items()
            if value is not None
        }
        # BaseSettings lets the sources find values, and hands those that count to its next base, _Values.
        super().__init__(_secrets_dir=tuple(_secrets_dir), **given)

    @classmethod
    def settings_customise_sources(cls, *_: Any, **given: Any) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources in order of precedence: whose a value is counts before where the value lies.

        The library's source of the environment knows no ranks, and ``.env`` files are not to be read.
        """
        named = os.environ.get(SECRETS_DIR, "").strip()
        directories = (*([named] if named else ()), *given["file_secret_settings"].secrets_dir)
        ours = [
            kind(cls, rank, directories) for rank in (Rank.OWN, Rank.GENERAL) for kind in (Environment, Files)
        ]
        return (given["init_settings"], *ours)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle settings without secrets: the process that unpickles them reads secrets of its own.

        Every other value travels, and counts as an argument there. A URL that holds credentials stays here,
        and so do a profile and a key file that the environment named, as both lie on this machine.
        """
        fields = variables(type(self)).items()
        public = {name: getattr(self, name) for name, variable in fields if not variable.secret}
        for name in ("aws_profile", "google_application_credentials"):
            if self.source(name) != "argument":
                del public[name]
        if self.url:
            public["url"] = public_url(self.url)  # what is no URL is refused there as it is here
            if "://" in self.url and public["url"] != self.url:
                del public["url"]
        return partial(type(self), **public), ()


def variables(settings_cls: type[_Values] = Settings) -> dict[str, Variable]:
    """Return the variables of every field that has any."""
    fields = settings_cls.model_fields.items()
    return {name: variable for name, field in fields if (variable := Variable.of(field))}


def _remember(settings: _Values, given: dict[str, Any]) -> None:
    """Have the secrets among the given values taken out of every text that leaves the process."""
    known = variables(type(settings))
    secret = (value for name, value in given.items() if name in known and known[name].secret)
    url = given.get("url")
    remember(settings, map(_text_of, secret), url if isinstance(url, str) else "")


def _text_of(value: Any) -> str:
    if isinstance(value, SecretStr | Secret):
        value = value.get_secret_value()
    return json.dumps(value) if isinstance(value, dict) else str(value)


_KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_IDENTITIES = (  # the fields of each identity, and those that decide; any field of the rank OWN decides, too
    ((*_KEYS, "aws_profile"), ("aws_access_key_id", "aws_profile")),
    (("google_key", "google_application_credentials"),) * 2,
)


def _of_one_identity(found: dict[str, Found]) -> dict[str, Found]:
    """Leave out the parts of an identity whose rank is lower than the rank of the part that decides.

    A session token of the environment, for one, does not belong to a key that was given as an argument.
    """
    # boto3 does likewise: keys given to a session leave out the environment's token, and so does a profile.
    for fields, leading in _IDENTITIES:
        ranks = {name: found[name].origin.rank for name in fields if name in found}
        decisive = (rank for name, rank in ranks.items() if name in leading or rank is Rank.OWN)
        top = max(decisive, default=Rank.GENERAL)
        found = {name: item for name, item in found.items() if ranks.get(name, top) >= top}
    return found


def _problems(error: ValidationError, origins: dict[str, Origin]) -> Iterator[str]:
    """Yield what is wrong with each value, without the value."""
    for detail in error.errors(include_url=False, include_input=False):
        name = str(detail["loc"][0]) if detail["loc"] else "settings"
        message = _bound(name, detail.get("ctx", {})) or detail["msg"].removeprefix("Value error, ")
        yield f"{_place(name, origins)}: {message[:1].lower()}{message[1:]}"


def _bound(name: str, bounds: dict[str, Any]) -> str:
    """Say which bound a number breaks, of a size in MiB; return an empty text for any other problem."""
    for key, words in (("ge", "at least"), ("le", "at most")):
        if isinstance(number := bounds.get(key), int):
            is_size = name in {"memory", "pack_below"} and number
            return f"must be {words} {f'{number // MIB}MiB' if is_size else number}"
    return ""


def _contradictions(settings: _Values) -> Iterator[str]:
    """Yield what is wrong with values that are sound alone, and not together."""
    key_id, secret = settings.aws_access_key_id, settings.aws_secret_access_key
    if key_id and not secret:
        yield _incomplete(settings, "aws_access_key_id", "aws_secret_access_key")
    if secret and not key_id:
        yield _incomplete(settings, "aws_secret_access_key", "aws_access_key_id")
    if settings.aws_session_token and not (key_id or secret):
        yield _incomplete(settings, "aws_session_token", "aws_access_key_id")
    if settings.kms_key and settings.sse == "AES256":
        yield (
            f"{_place('kms_key', settings.origins)} is set, but {_place('sse', settings.origins)} is AES256;"
            " it must be aws:kms, aws:kms:dsse or not set"
        )


def _incomplete(settings: _Values, name: str, missing: str) -> str:
    """Say that one part of an identity is set without another, which is to be of the first part's rank."""
    wanted = variables()[missing].names_of(settings.origins[name].rank)[0]
    return f"{_place(name, settings.origins)} is set, but {wanted} is not"


def _place(name: str, origins: dict[str, Origin]) -> str:
    """Name the variable, the file or the argument that gave a value."""
    origin = origins.get(name)
    return origin.text if origin and origin.rank is not Rank.ARGUMENT else f"argument {name}"
