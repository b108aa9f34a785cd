"""Settings: which variables there are, where their values come from, and which values make sense.

Precedence: argument > environment > secret file > default. ``docs/settings.md`` is the reference for users.
"""

from __future__ import annotations

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

from up42_state import _setting_values as values
from up42_state._setting_sources import SECRET_DIRECTORIES, Variable, find
from up42_state.errors import SettingsError
from up42_state.redaction import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state._setting_sources import Directories

__all__ = ["Settings"]

MIB = 1024 * 1024


def _variable(*names: str) -> Variable:
    return Variable(names)


def _secret(*names: str) -> Variable:
    return Variable(names, secret=True)


_Size = Annotated[int, BeforeValidator(values.size)]
_Names = Annotated[tuple[str, ...], BeforeValidator(values.names)]
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
    job: Annotated[_Text, _variable("UP42_STATE_JOB")] = None
    stage: Annotated[_Text, _variable("UP42_STATE_STAGE")] = None
    after: Annotated[_Names, _variable("UP42_STATE_AFTER")] = ()
    propagate: Annotated[_Names, _variable("UP42_STATE_PROPAGATE")] = ()
    parameters: Annotated[_Object, Field(repr=False), Variable(("UP42_TASK_PARAMETERS",), long=True)] = Field(
        default_factory=dict, repr=False
    )
    on_conflict: Annotated[_OnConflict, _variable("UP42_STATE_ON_CONFLICT")] = None
    match: Annotated[_Pairs, _variable("UP42_STATE_MATCH")] = None
    job_mode: Annotated[Literal["DEFAULT", "DRY_RUN"], _variable("UP42_JOB_MODE")] = "DEFAULT"

    aws_access_key_id: Annotated[_Hidden, _secret("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY")] = None
    aws_secret_access_key: Annotated[_Hidden, _secret("AWS_SECRET_ACCESS_KEY")] = None
    aws_session_token: Annotated[_Hidden, _secret("AWS_SESSION_TOKEN")] = None
    aws_profile: Annotated[_Text, _variable("AWS_PROFILE")] = None
    aws_region: Annotated[_Text, _variable("AWS_REGION", "AWS_DEFAULT_REGION")] = None
    aws_endpoint_url: Annotated[_Url, _variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")] = None

    google_key: Annotated[_Key, _secret("GOOGLE_KEY_STRING")] = None
    google_application_credentials: Annotated[_Text, _variable("GOOGLE_APPLICATION_CREDENTIALS")] = None
    google_cloud_project: Annotated[_Text, _variable("GOOGLE_CLOUD_PROJECT")] = None
    storage_emulator_host: Annotated[_Emulator, _variable("STORAGE_EMULATOR_HOST")] = None

    sse: Annotated[_Sse, _variable("UP42_STATE_SSE")] = None
    kms_key: Annotated[_Text, _variable("UP42_STATE_KMS_KEY")] = None

    concurrency: Annotated[int, Field(ge=1, le=1024), _variable("UP42_STATE_CONCURRENCY")] = 16
    memory: Annotated[_Size, Field(ge=64 * MIB), _variable("UP42_STATE_MEMORY")] = 256 * MIB
    pack_below: Annotated[_Size, Field(ge=0, le=16 * MIB), _variable("UP42_STATE_PACK_BELOW")] = MIB
    single_writer: Annotated[bool, _variable("UP42_STATE_SINGLE_WRITER")] = False

    origins: dict[str, str] = Field(default_factory=dict, repr=False, exclude=True)
    _parameters_text: str = ""

    def __init__(self, *, _secrets_dir: Directories = SECRET_DIRECTORIES, **arguments: Any) -> None:
        found, origins = find(_variables(type(self)), arguments, _secrets_dir)
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
        fields = _variables(type(self)).items()
        public = {name: getattr(self, name) for name, variable in fields if not variable.secret}
        for name in ("aws_profile", "google_application_credentials"):
            if self.source(name) != "argument":
                del public[name]
        if public["url"] and without_credentials(public["url"]) != public["url"]:
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
        return self.origins.get(name, "default")


def _read_anew(settings_cls: type[Settings], arguments: dict[str, Any]) -> Settings:
    return settings_cls(**arguments)


def _variables(settings_cls: type[Settings]) -> dict[str, Variable]:
    """Every field that has a variable, with it."""
    fields = settings_cls.model_fields.items()
    return {name: item for name, field in fields for item in field.metadata if isinstance(item, Variable)}


def _keep_one_identity(found: dict[str, Any], origins: dict[str, str]) -> None:
    """Credentials are a set: what was given as an argument is not mixed with what lies around elsewhere.

    boto3 does likewise: keys given to a session leave out the environment's token, and so does a profile.
    """
    keys = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    arguments = {name for name in (*keys, "aws_profile") if origins.get(name) == "argument"}
    if arguments & {"aws_access_key_id", "aws_profile"}:
        for name in {*keys, "aws_profile"} - arguments:
            found.pop(name, None)
            origins.pop(name, None)


def _problems(error: ValidationError, origins: dict[str, str]) -> Iterator[str]:
    for detail in error.errors(include_url=False, include_input=False):
        name = str(detail["loc"][0]) if detail["loc"] else "settings"
        message = detail["msg"].removeprefix("Value error, ")
        yield f"{_place(name, origins)}: {message[:1].lower()}{message[1:]}"


def _contradictions(settings: Settings) -> Iterator[str]:
    key_id, secret = settings.aws_access_key_id, settings.aws_secret_access_key
    if key_id and not secret:
        yield f"{_place('aws_access_key_id', settings.origins)} is set, but AWS_SECRET_ACCESS_KEY is not"
    if secret and not key_id:
        yield f"{_place('aws_secret_access_key', settings.origins)} is set, but AWS_ACCESS_KEY_ID is not"
    if settings.aws_session_token and not (key_id or secret):
        yield f"{_place('aws_session_token', settings.origins)} is set, but AWS_ACCESS_KEY_ID is not"
    if settings.kms_key and settings.sse == "AES256":
        yield (
            f"{_place('kms_key', settings.origins)} is set, but {_place('sse', settings.origins)} is AES256;"
            " it must be aws:kms, aws:kms:dsse or not set"
        )


def _place(name: str, origins: dict[str, str]) -> str:
    """What to name in a message: the variable, the file, or the argument."""
    origin = origins.get(name, "argument")
    return f"argument {name}" if origin == "argument" else origin
