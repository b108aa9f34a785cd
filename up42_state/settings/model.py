"""Settings: which variables there are, where their values come from, and which values make sense.

Precedence: argument > environment > secret file > default; and the store's own names (``UP42_STATE_AWS_…``,
``UP42_STATE_GOOGLE_…``) before the general ones. ``docs/settings.md`` is the reference for users.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Secret,
    SecretStr,
    ValidationError,
)

from up42_state.errors import SettingsError
from up42_state.secrets.redaction import public_url, remember
from up42_state.settings import values
from up42_state.settings.sources import SECRET_DIRECTORIES, Origin, Rank, Variable, find, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.settings.sources import Directories

__all__ = ["Settings", "variables"]

MIB = 1024 * 1024


def _variable(*names: str) -> Variable:
    return Variable(names)


def _aws(*names: str, secret: bool = False) -> Variable:
    """Variables of AWS, and before them ours of the store alone."""
    return Variable((f"UP42_STATE_{names[-1]}", *names), secret)


def _google(name: str, *, secret: bool = False) -> Variable:
    """A variable of Google, and before it ours of the store alone."""
    return Variable((f"UP42_STATE_{name}", name), secret)


_Size = Annotated[int, BeforeValidator(values.size)]
_Name = Annotated[str | None, BeforeValidator(values.name)]
_Names = Annotated[tuple[str, ...], BeforeValidator(values.names)]
_Region = Annotated[str | None, BeforeValidator(values.region)]
_KeyFile = Annotated[str | None, BeforeValidator(values.key_file)]
_Pairs = Annotated[tuple[tuple[str, str], ...] | None, BeforeValidator(values.pairs)]
_OnConflict = Literal["current", "earlier", "both", "error"] | None
_Object = Annotated[dict[str, Any], BeforeValidator(values.json_object)]
_Text = str | None
_Hidden = Annotated[SecretStr, AfterValidator(values.one_line)] | None
_Url = Annotated[str | None, BeforeValidator(values.endpoint)]
_Emulator = Annotated[str | None, BeforeValidator(values.emulator)]
_Key = Annotated[Secret[dict[str, Any]] | None, BeforeValidator(values.service_account)]
_Sse = Literal["AES256", "aws:kms", "aws:kms:dsse"] | None


class Settings(BaseModel):
    """Every setting, by the name of its attribute; an argument that is ``None`` counts as not given.

    ``url``, ``job``, ``stage``, ``after``, ``propagate``
        where the state lies, and the task's place in it; names are checked where they are used.
    ``on_conflict``, ``match``
        how ``exec`` and ``Block`` merge stages; ``match`` holds pairs (property of the current feature, of
        the earlier one).
    ``parameters``, ``job_mode``
        the block's parameters and ``DEFAULT`` or ``DRY_RUN``.
    ``aws_…``, ``google_…``, ``storage_emulator_host``
        stores and credentials; where they are ``None`` the SDKs look for themselves.
    ``sse``, ``kms_key``
        encryption at rest.
    ``concurrency``, ``memory``, ``pack_below``
        requests under way at once; bytes in flight; bytes below which a file is packed (0: never).
    ``single_writer``
        whether racing saves may be lost, where a store cannot create atomically.

    :param _secrets_dir: directories of secret files, in order, in place of ``/run/secrets`` and
        ``/secret/environment``.
    :raises SettingsError: a value is malformed or contradicts another, or a secret file cannot be read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: Annotated[_Text, Field(repr=False), _variable("UP42_STATE_URL")] = None
    job: Annotated[_Name, _variable("UP42_STATE_JOB")] = None
    stage: Annotated[_Name, _variable("UP42_STATE_STAGE")] = None
    after: Annotated[_Names, _variable("UP42_STATE_AFTER")] = ()
    propagate: Annotated[_Names, _variable("UP42_STATE_PROPAGATE")] = ()
    parameters: Annotated[_Object, Field(repr=False), Variable(("UP42_TASK_PARAMETERS",), long=True)] = Field(
        default_factory=dict, repr=False
    )
    on_conflict: Annotated[_OnConflict, _variable("UP42_STATE_ON_CONFLICT")] = None
    match: Annotated[_Pairs, _variable("UP42_STATE_MATCH")] = None
    job_mode: Annotated[Literal["DEFAULT", "DRY_RUN"], _variable("UP42_JOB_MODE")] = "DEFAULT"

    aws_access_key_id: Annotated[
        _Hidden,
        Variable(("UP42_STATE_AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"), secret=True),
    ] = None
    aws_secret_access_key: Annotated[_Hidden, _aws("AWS_SECRET_ACCESS_KEY", secret=True)] = None
    aws_session_token: Annotated[_Hidden, _aws("AWS_SESSION_TOKEN", secret=True)] = None
    aws_profile: Annotated[_Name, _aws("AWS_PROFILE")] = None
    aws_region: Annotated[
        _Region, Variable(("UP42_STATE_AWS_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"))
    ] = None
    aws_endpoint_url: Annotated[_Url, _aws("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")] = None

    google_key: Annotated[_Key, _google("GOOGLE_KEY_STRING", secret=True)] = None
    google_application_credentials: Annotated[_KeyFile, _google("GOOGLE_APPLICATION_CREDENTIALS")] = None
    google_cloud_project: Annotated[_Name, _google("GOOGLE_CLOUD_PROJECT")] = None
    storage_emulator_host: Annotated[_Emulator, _variable("STORAGE_EMULATOR_HOST")] = None

    sse: Annotated[_Sse, _variable("UP42_STATE_SSE")] = None
    kms_key: Annotated[_Name, _variable("UP42_STATE_KMS_KEY")] = None

    concurrency: Annotated[int, Field(ge=1, le=1024), _variable("UP42_STATE_CONCURRENCY")] = 16
    memory: Annotated[_Size, Field(ge=64 * MIB), _variable("UP42_STATE_MEMORY")] = 256 * MIB
    pack_below: Annotated[_Size, Field(ge=0, le=16 * MIB), _variable("UP42_STATE_PACK_BELOW")] = MIB
    single_writer: Annotated[bool, _variable("UP42_STATE_SINGLE_WRITER")] = False

    origins: dict[str, Any] = Field(default_factory=dict, repr=False, exclude=True)
    _parameters_text: str = ""

    def __init__(self, *, _secrets_dir: Directories = SECRET_DIRECTORIES, **arguments: Any) -> None:
        _refuse_quotes()
        found, origins = find(variables(type(self)), arguments, _secrets_dir)
        _remember(self, found)
        _keep_one_identity(found, origins)
        try:
            super().__init__(**found | {"origins": origins})
        except ValidationError as error:
            problems = list(_problems(error, origins))
        else:
            problems = list(_contradictions(self))
        if problems:  # raised outside of the handler, so that no error that holds values is chained to it
            raise SettingsError("; ".join(problems))
        if isinstance(found.get("parameters"), str):
            self._parameters_text = found["parameters"]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled without secrets: who unpickles reads them anew, where that process finds its own.

        What travels otherwise counts as an argument there. A URL that holds credentials does not travel, nor
        does what the environment says of credentials that lie on this machine.
        """
        fields = variables(type(self)).items()
        public = {name: getattr(self, name) for name, variable in fields if not variable.secret}
        for name in ("aws_profile", "google_application_credentials"):
            if self.source(name) != "argument":
                del public[name]
        if public["url"] and "://" not in public["url"]:
            public["url"] = public_url(public["url"])  # refused there as it is here
        elif public["url"] and public_url(public["url"]) != public["url"]:
            del public["url"]
        return _read_anew, (type(self), public)

    @property
    def parameters_text(self) -> str:
        """The parameters as the text that they came as; empty where they came as values, or not at all."""
        return self._parameters_text

    @property
    def parameters_file(self) -> str:
        """The file that the parameters were read from; empty where they did not come from one."""
        before, _, after = self.source("parameters").partition("file ")
        return after.rpartition(" (from ")[0] if not before else ""

    def source(self, name: str) -> str:
        """Where an attribute's value came from: ``argument``, ``default``, or which variable or file."""
        origin = self.origin(name)
        return origin.text if origin else "default"

    def origin(self, name: str) -> Origin | None:
        """The same with the variable's name and rank; ``None`` of a default."""
        origin: Origin | None = self.origins.get(name)
        return origin

    def is_own(self, name: str) -> bool:
        """Whether a value was given for the store alone: as an argument, or under a name of ours."""
        origin = self.origin(name)
        return origin is not None and origin.rank is not Rank.GENERAL

    def variable(self, name: str) -> str:
        """What to name in advice about an attribute: the variable that its value came from, or the argument;
        of a default, the first that every program reads.
        """
        origin = self.origin(name)
        if origin is not None:
            return f"the argument {name}" if origin.rank is Rank.ARGUMENT else origin.variable
        return variables(type(self))[name].ranked(Rank.GENERAL).names[0]


def _read_anew(settings_cls: type[Settings], arguments: dict[str, Any]) -> Settings:
    return settings_cls(**arguments)


def variables(settings_cls: type[Settings] = Settings) -> dict[str, Variable]:
    """Every field that has a variable, with it."""
    fields = settings_cls.model_fields.items()
    return {name: item for name, field in fields for item in field.metadata if isinstance(item, Variable)}


def _refuse_quotes() -> None:
    """Quotes belong to a shell; what does not go through one keeps them, and no value begins and ends so."""
    found = quoted(os.environ)
    if found:
        raise SettingsError(
            f"{', '.join(found)}: the value stands in quotes",
            advice="remove the quotes; docker's --env-file, for one, takes them for a part of the value",
        )


def _remember(settings: Settings, found: dict[str, Any]) -> None:
    """Have the secrets that were given taken out of all that leaves the process."""
    secret = [found.get(name) for name, variable in variables().items() if variable.secret]
    url = found.get("url")
    remember(settings, map(_text_of, filter(None, secret)), url if isinstance(url, str) else "")


def _text_of(value: Any) -> str:
    if isinstance(value, SecretStr | Secret):
        value = value.get_secret_value()
    return json.dumps(value) if isinstance(value, dict) else str(value)


_KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_IDENTITIES = (  # the fields of one, and those of them that make one
    ((*_KEYS, "aws_profile"), ("aws_access_key_id", "aws_profile")),
    (("google_key", "google_application_credentials"),) * 2,
)


def _keep_one_identity(found: dict[str, Any], origins: dict[str, Origin]) -> None:
    """Credentials are a set: what was given as an argument, or for the store alone, is not mixed with what
    lies around elsewhere.

    boto3 does likewise: keys given to a session leave out the environment's token, and so does a profile.
    """
    for fields, leading in _IDENTITIES:
        ranks = {name: origins[name].rank for name in fields if name in origins}
        top = max(
            (rank for name, rank in ranks.items() if name in leading or rank is Rank.OWN),
            default=Rank.GENERAL,
        )
        for name in (name for name, rank in ranks.items() if rank < top):
            del found[name], origins[name]


def _problems(error: ValidationError, origins: dict[str, Origin]) -> Iterator[str]:
    for detail in error.errors(include_url=False, include_input=False):
        name = str(detail["loc"][0]) if detail["loc"] else "settings"
        message = _bound(name, detail.get("ctx", {})) or detail["msg"].removeprefix("Value error, ")
        yield f"{_place(name, origins)}: {message[:1].lower()}{message[1:]}"


def _bound(name: str, bounds: dict[str, Any]) -> str:
    """What a number must be, a size in units that it may be given in; empty where that is not the problem."""
    for key, words in (("ge", "at least"), ("le", "at most")):
        if isinstance(bounds.get(key), int):
            number = bounds[key]
            is_size = name in {"memory", "pack_below"} and number
            return f"must be {words} {f'{number // MIB}MiB' if is_size else number}"
    return ""


def _contradictions(settings: Settings) -> Iterator[str]:
    key_id, secret = settings.aws_access_key_id, settings.aws_secret_access_key
    if key_id and not secret:
        yield _incomplete(settings, "aws_access_key_id", "AWS_SECRET_ACCESS_KEY")
    if secret and not key_id:
        yield _incomplete(settings, "aws_secret_access_key", "AWS_ACCESS_KEY_ID")
    if settings.aws_session_token and not (key_id or secret):
        yield _incomplete(settings, "aws_session_token", "AWS_ACCESS_KEY_ID")
    if settings.kms_key and settings.sse == "AES256":
        yield (
            f"{_place('kms_key', settings.origins)} is set, but {_place('sse', settings.origins)} is AES256;"
            " it must be aws:kms, aws:kms:dsse or not set"
        )


def _incomplete(settings: Settings, name: str, missing: str) -> str:
    """That a part of an identity is given without another, which is to be of the same rank."""
    origin = settings.origin(name)
    prefix = "UP42_STATE_" if origin and origin.rank is Rank.OWN else ""
    return f"{_place(name, settings.origins)} is set, but {prefix}{missing} is not"


def _place(name: str, origins: dict[str, Origin]) -> str:
    """What to name in a message: the variable, the file, or the argument."""
    origin = origins.get(name)
    return origin.text if origin and origin.rank is not Rank.ARGUMENT else f"argument {name}"
