"""Take secrets out of every text before it leaves: errors, tracebacks, logs, representations, results.

Known secrets are the ones in settings, and what the environment holds under a secret's name or in a secret's
form; they are found in every spelling that a text may have. Unknown secrets are found by their form: a URL's
password, a signature, a private key, a token.
"""

from __future__ import annotations

import base64
import json
import os
import re
import weakref
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote

from up42_state.secrets.shapes import holds_credential, is_credential, is_secret_name, without_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "HIDDEN",
    "clean",
    "credentials_among",
    "is_path",
    "public_url",
    "remember",
    "without_credentials",
    "without_secrets",
]

HIDDEN = "…"
# A secret of fewer characters than these is not looked for within words, where "test" may be part of any.
_LEAST = 8
_LEAST_WORD = 5  # characters of a password in a URL, which is looked for as a whole word

# The secrets of settings and stores by the id of their owner, for as long as the owner lives. They are kept
# for the whole process, because an SDK raises errors and logs lines where no settings are at hand.
_KNOWN: dict[int, frozenset[str]] = {}

# No match of a pattern can begin inside another, so that the time grows only linearly with a text's length.
_URL = re.compile(r"(?<![A-Za-z0-9+.\-])[A-Za-z][A-Za-z0-9+.\-]{0,60}://[^\s'\"]+")
_USER = re.compile(r"//[^/\s'\"]*@")
_QUERY = re.compile(r"([?&]([^=&#\s'\"]{1,200})=)[^&#\s'\"]+")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_BEARER = re.compile(r"\b(bearer|basic)(\s+)(?=\S*[0-9=.])[A-Za-z0-9+/=._~\-]{8,}", re.IGNORECASE)
_JWT = re.compile(r"(?<![A-Za-z0-9_\-])eyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{2,}\.[A-Za-z0-9_\-]*")
_MEMBER = re.compile(
    r"(['\"]([A-Za-z0-9_\-]{1,60})['\"]\s*[:=]\s*b?)(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
)

# Variables that name something, whatever else their names hold: AUTH_TYPE, PASSWORD_STORE_DIR.
_NAMES_SOMETHING = re.compile(
    r"(?:_|^)(?:TYPE|MODE|METHOD|NAME|DIR|HOME|SOCK|PARALLELISM|ENABLED|DISABLED)$|^XDG_|^DESKTOP_"
)
_NAMES_A_FILE = re.compile(
    r"_FILE$|_BUNDLE$|_CERT$|^SSL_CERT|APPLICATION_CREDENTIALS$|^CLOUDSDK_CONFIG$|^BOTO_(?:CONFIG|PATH)$|_URI$"
)
_SECRET_VARIABLES = frozenset(("GOOGLE_KEY_STRING", "UP42_STATE_GOOGLE_KEY_STRING"))


def remember(owner: object, secrets: Iterable[str] = (), url: str = "") -> None:
    """Take these secrets out of every text for as long as their owner lives.

    :param owner: the object that holds the secrets. A second call for the same owner replaces its secrets.
    :param url: a URL whose credentials are secrets, also where they stand without the URL.
    """
    secrets = list(secrets)
    found = {form for value in secrets for form in _spellings(value)}
    for address in (url, *(value for value in secrets if "://" in value and "@" in value)):
        found.update(form for part in _parts_of_url(address) for form in _spellings(part, _LEAST_WORD))
    if found:
        _KNOWN[id(owner)] = frozenset(found)
        weakref.finalize(owner, _KNOWN.pop, id(owner), None)


def without_secrets(text: str) -> str:
    """Return a text without the known secrets; nothing else in the text changes."""
    known = _secrets_of(tuple(os.environ.items())).union(*_KNOWN.copy().values())
    for secret in sorted(known, key=len, reverse=True):
        if secret in text:
            text = _without(secret, text)
    return text


def _without(secret: str, text: str) -> str:
    if len(secret) >= _LEAST:
        return text.replace(secret, HIDDEN)
    return re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", HIDDEN, text)


def without_credentials(text: str) -> str:
    """Return a text without known secrets, and without whatever has the form of a secret.

    User names and passwords are removed from URLs (RFC 3986 §3.2.1). The values of a URL's query, private
    keys, tokens, and values under a secret's name become ``…``.
    """
    text = without_secrets(text)
    if "//" in text:
        text = _URL.sub(lambda url: _QUERY.sub(rf"\1{HIDDEN}", url[0]), _USER.sub("//", text))
    if "=" in text:  # outside of a URL it may be part of a file's name
        text = _QUERY.sub(lambda query: f"{query[1]}{HIDDEN}" if is_secret_name(query[2]) else query[0], text)
    if "-----BEGIN" in text:
        text = _PEM.sub(HIDDEN, text)
    text = _JWT.sub(HIDDEN, _BEARER.sub(rf"\1\2{HIDDEN}", text))
    return _MEMBER.sub(_without_member, without_tokens(text, HIDDEN))


def credentials_among(arguments: Iterable[str]) -> list[str]:
    """Return the arguments and option values that have the form of a credential.

    They stand in the wrong place on a command line, and an error quotes what it refuses.
    """
    given = (part for argument in arguments for part in (argument, argument.partition("=")[2]))
    return [text for part in given if (text := part.lstrip("-").strip()) and _is_secret("", text)]


def public_url(url: str) -> str:
    """Return a URL without its credentials, for people. A chained URL (``::``) loses those of every link.

    Whatever stands before the last ``@`` counts as a user name and a password if it has a colon, though by
    RFC 3986 a slash would end that part: a password that was not percent-encoded may hold a slash. A text
    that is no URL may be a password, so nothing of it is shown.
    """
    if "://" not in url:
        return HIDDEN
    return "::".join(map(_public_link, url.split("::")))


def _public_link(link: str) -> str:
    scheme, separator, rest = link.partition("://")
    if scheme.lower() in {"file", "memory"}:
        return link
    user, at, place = rest.rpartition("@")
    kept = place if at and (":" in user or "/" not in user) else rest
    return _QUERY.sub(rf"\1{HIDDEN}", f"{scheme}{separator}{kept}")


def clean(error: BaseException) -> BaseException | None:
    """Return an SDK's error, to be chained to an error of this package.

    If the error, or an error that it is chained to, says a secret, a stand-in is returned that has its text
    without the secret.
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        if any(without_credentials(text) != text for text in (str(link), repr(link))):
            return RuntimeError(without_credentials(f"{type(error).__name__}: {error}"))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return error


def is_path(value: str) -> bool:
    """Return True if a text may be a path: the file, or the directory that it would lie in, exists."""
    try:
        folder = os.path.dirname(value)
        return os.path.exists(value) or (folder not in {"", "/"} and os.path.isdir(folder))
    except (OSError, ValueError):
        return False


def _without_member(match: re.Match[str]) -> str:
    if not is_secret_name(match[2]):  # the value may quote another member: "text": "… {'token': '…'}"
        return match[1] + match[3][0] + _MEMBER.sub(_without_member, match[3][1:-1]) + match[3][0]
    if match[3][1:-1] in {"", HIDDEN}:
        return match[0]
    return f"{match[1]}{match[3][0]}{HIDDEN}{match[3][0]}"


@lru_cache(maxsize=4)
def _secrets_of(environment: tuple[tuple[str, str], ...]) -> frozenset[str]:
    """Return every spelling of the secrets in an environment."""
    found: set[str] = set()
    for name, value in environment:
        if "@" in value:
            found.update(form for part in _parts_of_url(value) for form in _spellings(part, _LEAST_WORD))
        if len(value) >= _LEAST and _is_secret(name, value.strip()):
            found.update(_spellings(value.strip()))
            if name.upper().endswith("_PROXY"):  # taken apart as an address, whose host is put in lower case
                pieces = re.split(r"[/?#@:\s]+", value)
                found.update(form for form in (*pieces, *map(str.lower, pieces)) if len(form) >= _LEAST)
    return frozenset(found)


def _is_secret(name: str, value: str) -> bool:
    """Return True if a variable's value is a secret: by the variable's name, or by the form of the value."""
    if is_path(value):
        return False
    if _NAMES_A_FILE.search(name):
        return not value.startswith(("http://", "https://"))
    if name in _SECRET_VARIABLES or (is_secret_name(name) and not _NAMES_SOMETHING.search(name)):
        return "://" not in value or holds_credential(value)
    return holds_credential(value) if value.startswith("{") else is_credential(value)


def _parts_of_url(url: str) -> Iterator[str]:
    """Yield the secret parts of a URL: the password before ``@``, and what signs the URL in its query.

    A password that was not percent-encoded may hold any character. Code that takes such a URL apart quotes
    pieces of it, so every piece counts.
    """
    for link in url.split("::"):
        scheme, _, rest = link.partition("://")
        if scheme.lower() == "file":  # a path may hold @ and : and is no secret
            continue
        rest = rest or link
        user, _, place = rest.rpartition("@")
        name, colon, password = user.partition(":")
        if colon:
            yield from (user, password, *re.split(r"[/#?@:'\s]", password))
        elif len(name) >= 2 * _LEAST:  # a token
            yield name
        for query in place.partition("?")[2].partition("#")[0].split("&"):
            key, _, value = query.partition("=")
            if is_secret_name(key) or len(value) >= 2 * _LEAST:
                yield value


def _spellings(value: str, least: int = _LEAST) -> Iterator[str]:
    """Yield the spellings of a secret: as it is, percent-encoded or decoded, escaped, in base64.

    The secret members of a JSON key file are spelled out likewise.
    """
    for text in (value, *_members(value)):
        raw = text.encode("utf-8", "surrogateescape")  # a variable may hold bytes that are no UTF-8
        forms = {text, quote(raw, safe=""), quote(raw), quote_plus(raw), unquote(text)}
        forms |= {json.dumps(text)[1:-1], repr(text)[1:-1], _base64(text)}
        # As base64 for URLs has it, and a header of which botocore takes the slashes out.
        forms |= {text.replace("+", "-").replace("/", "_"), text.replace("/", "-")}
        if "-----BEGIN" in text:
            forms.update(
                line for line in text.replace("\\n", "\n").splitlines() if not line.startswith("-----")
            )
        yield from (form for form in (form.strip() for form in forms) if len(form) >= least)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode(errors="surrogatepass")).decode()


def _members(value: str) -> Iterator[str]:
    """Yield the text and the secret members of a JSON key, which may be given in base64."""
    try:
        text = value if value.startswith("{") else base64.b64decode(value + "=" * (-len(value) % 4)).decode()
        found = json.loads(text) if text.startswith("{") else None
    except (ValueError, RecursionError):
        return
    if isinstance(found, dict):
        yield text
        yield from (
            member for name, member in found.items() if isinstance(member, str) and is_secret_name(name)
        )
