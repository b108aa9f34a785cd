"""Types of settings, by what a text means. Messages say what is wrong with a value, never what it is."""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Secret, SecretStr

from up42_state.secrets.redaction import is_path
from up42_state.secrets.shapes import is_credential
from up42_state.units import read_size

__all__ = ["Hidden", "Host", "Key", "KeyFile", "Name", "Names", "Object", "Pairs", "Region", "Size", "Url"]

_HALF_PAIR = re.compile("[\ud800-\udfff]")
_REGION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?")  # a label (RFC 1123 §2.1)
_CREDENTIAL = "looks like a credential, which has a variable of its own (docs/settings.md)"


def _size(value: object) -> object:
    """Return bytes, from a number or from text."""
    return read_size(value) if isinstance(value, str) else value


def _name(value: object) -> object:
    """Refuse a credential in place of the name of a job, a profile or a project."""
    # Names are sent to servers and printed, so a credential that was put here by mistake would be, too.
    if isinstance(value, str) and is_credential(value):
        raise ValueError(_CREDENTIAL)
    return value


def _names(value: object) -> object:
    """Split names at commas; a credential is refused before a comma in it takes it apart."""
    if isinstance(value, str):
        _name(value)
        return tuple(text for part in value.split(",") if (text := part.strip()))
    return value


def _region(value: object) -> object:
    """Refuse what cannot be a region: botocore makes it a part of the endpoint's host name."""
    if isinstance(value, str) and (is_credential(value) or not _REGION.fullmatch(value)):
        raise ValueError("is not a region; write one such as eu-central-1")
    return value


def _key_file(value: object) -> object:
    """Refuse the text of a key, which many put in place of the path of a key file."""
    if isinstance(value, str) and not is_path(value) and (is_credential(value) or not value.isprintable()):
        raise ValueError("holds a key itself, not the path of a file; give the key in GOOGLE_KEY_STRING")
    return value


def _pairs(value: object) -> object:
    """Split ``CURRENT=EARLIER,…`` into pairs of property names, each at its first ``=``."""
    if not isinstance(value, str):
        return value
    _name(value)
    found = [tuple(side.strip() for side in part.partition("=")[::2]) for part in value.split(",")]
    is_url = "://" in value  # meant for another variable
    if is_url or not all(current and earlier for current, earlier in found):
        raise ValueError(
            "is not CURRENT=EARLIER, such as properties.scene_id=id (separate several by commas)"
        )
    return tuple(found)


def _json_object(value: object) -> object:
    """Read a text as an object in strict JSON (RFC 8259); return any other value as it is."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value, parse_constant=_refuse_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("is not a JSON object")
    if _HALF_PAIR.search(json.dumps(found, ensure_ascii=False)):
        raise ValueError("holds half of a surrogate pair, which is no character")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("holds a number that is too large")  # 1e999, which Python reads as infinity
    return number


def _refuse_constant(name: str) -> object:
    raise ValueError(f"is not JSON: {name} is no JSON number")


def _one_line(value: SecretStr) -> SecretStr:
    """Refuse a credential with a line end in it, as HTTP clients quote a header with one in their errors."""
    if not value.get_secret_value().isprintable():
        raise ValueError("holds a line end or another control character; is it several lines of a file?")
    return value


def _service_account(value: object) -> object:
    """Read a service account's key, which is JSON, plain or in base64.

    Source: Google Cloud, IAM, "Create and delete service account keys", the format of the key file.
    """
    if isinstance(value, str):
        text = value if value.startswith("{") else _decoded(value)
        value = _json_object(text)
    if isinstance(value, dict):
        missing = [name for name in ("client_email", "private_key", "token_uri") if not value.get(name)]
        if value.get("type") != "service_account" or missing:
            what = f"; it lacks {', '.join(missing)}" if missing else ""
            raise ValueError(f'is not a service account\'s key (JSON with "type": "service_account"){what}')
    return value


def _decoded(text: str) -> str:
    compact = "".join(text.split()).replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True).decode()
    except ValueError:
        raise ValueError("is neither JSON nor JSON in base64") from None


def _endpoint(value: object) -> object:
    """Check the URL of a store, ``http(s)://host:port``, and take the slash at its end away."""
    if not isinstance(value, str):
        return value
    if "@" in value:
        raise ValueError("holds a user name; give credentials in variables of their own")
    try:
        parts = urlsplit(value)
        known = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # which would quote the value
        known = False
    if not known or not value.isprintable() or " " in value:
        raise ValueError("is not an http:// or https:// URL")
    if parts.query or parts.fragment:
        raise ValueError("holds a query, which an endpoint has none of")
    if any(map(is_credential, (value.partition("://")[2], *parts.netloc.split("."), *parts.path.split("/")))):
        raise ValueError(_CREDENTIAL)
    return value.rstrip("/")


def _host(value: object) -> object:
    """Check an emulator's address, which may come without ``http://``."""
    return _endpoint(value if not isinstance(value, str) or "://" in value else f"http://{value}")


Hidden = Annotated[SecretStr, AfterValidator(_one_line)] | None
Host = Annotated[str | None, BeforeValidator(_host)]
Key = Annotated[Secret[dict[str, Any]] | None, BeforeValidator(_service_account)]
KeyFile = Annotated[str | None, BeforeValidator(_key_file)]
Name = Annotated[str | None, BeforeValidator(_name)]
Names = Annotated[tuple[Annotated[str, BeforeValidator(_name)], ...], BeforeValidator(_names)]
Object = Annotated[dict[str, Any], BeforeValidator(_json_object)]
Pairs = Annotated[tuple[tuple[str, str], ...] | None, BeforeValidator(_pairs)]
Region = Annotated[str | None, BeforeValidator(_region)]
Size = Annotated[int, BeforeValidator(_size)]
Url = Annotated[str | None, BeforeValidator(_endpoint)]
