"""Guess what is a secret, by the name of a value or by the form of the value itself.

Commits, messages and settings share these guesses, so that all take the same values for secrets.
"""

from __future__ import annotations

import re
from itertools import pairwise

__all__ = ["holds_credential", "is_credential", "is_secret_name", "without_tokens"]

# Names are taken apart into words ("clientSecret", "x-api-key"): "tokenizer" and "author" are other words.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = frozenset(
    (
        *(
            "accesskey",
            "apikey",
            "auth",
            "authentication",
            "authorization",
            "bearer",
            "clientsecret",
            "cookie",
        ),
        *("cookies", "cred", "credential", "credentials", "creds", "dbpass", "dsn", "jwt", "oauth", "otp"),
        *("passcode", "passkey", "passphrase", "passw", "passwd", "password", "passwords", "passwort", "pat"),
        *("private", "privatekey", "pswd", "pw", "pwd"),
        *("sas", "secret", "secretkey", "secrets", "session", "sessionid", "sig", "signature", "token"),
        *("tokens", "userpass", "accesstoken", "authtoken", "connectionstring", "connstr"),
    )
)
_SECRET_PAIRS = frozenset(
    (
        *(
            ("connection", "string"),
            ("conn", "string"),
            ("conn", "str"),
            ("access", "id"),
            ("pass", "phrase"),
        ),
        *((kind, "pass") for kind in ("admin", "db", "ftp", "http", "proxy", "root", "smtp", "user")),
        *((kind, "key") for kind in ("access", "account", "api", "auth", "client", "consumer", "encryption")),
        *((kind, "key") for kind in ("function", "hmac", "license", "master", "sas", "service", "shared")),
        *((kind, "key") for kind in ("signing", "ssh", "storage", "subscription")),
    )
)

# Of a word that is written together with another: PGPASSWORD, userpwd.
_SECRET_ENDS = ("accesskey", "apikey", "passphrase", "passwd", "password", "pwd", "secretkey")

# No match of a pattern can begin inside another, so that the time grows only linearly with a text's length.
_URL = re.compile(r"(?<![A-Za-z0-9+.\-])[A-Za-z][A-Za-z0-9+.\-]{0,60}://(\S+)")
_SPACED = re.compile(r"://[^/@\s]{1,100}:(?![0-9]+[/\s])[^/@]{1,100}@")  # a password with a space in it
_QUERY = re.compile(r"[?&]([A-Za-z0-9_\-]{1,60})=[^&\s]")
_MEMBER = re.compile(r"\"([A-Za-z0-9_\-]{1,60})\"\s*:\s*\"[^\"]")
_KNOWN_FORMS = re.compile(
    r"""
      -----BEGIN\ [A-Z ]*PRIVATE\ KEY                   # PEM (RFC 7468)
    | \b(?:bearer|basic)\s+(?=\S{0,256}[0-9=.])[A-Za-z0-9+/=._~\-]{8,}  # Authorization (RFC 6750, RFC 7617)
    | \b(?:authorization|cookie|x-api-key|x-auth-token):\s*\S{4}      # other headers
    | (?<![\w\-])--?[\w\-]{0,40}?(?:passw(?:or)?d|passphrase|token|secret|api-?key)[=\ ](?!-)\S{4}  # options
    | (?<![A-Za-z0-9_\-])eyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{2,}\.  # JSON Web Token (RFC 7519)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_TOKENS = re.compile(  # tokens whose first characters tell the provider
    r"""
      \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                     # an AWS access key's id
    | \b(?:ghp|gho|ghu|ghs|ghr|github_pat)_[A-Za-z0-9_]{20,} | \bglpat-[A-Za-z0-9_\-]{16,}
    | \bya29\.[A-Za-z0-9_\-]{16,} | \bAIza[A-Za-z0-9_\-]{35} | \bGOCSPX-[A-Za-z0-9_\-]{16,}
    | \bxox[abprs]-[A-Za-z0-9\-]{10,} | \bhf_[A-Za-z0-9]{30,} | \b[rs]k_live_[A-Za-z0-9]{16,}
    # connection strings
    | (?<=\bAccountKey=)[^;\s'"]{4,} | (?<=\bSharedAccessKey=)[^;\s'"]{4,}
    | (?<=\bSharedAccessSignature=)[^;\s'"]{4,} | (?<=\bPassword=)[^;\s'"]{4,} | (?<=\bPwd=)[^;\s'"]{4,}
    """,
    re.VERBOSE | re.IGNORECASE,
)
# With one of these each of those begins. Looking for them takes a hundredth of the time in a log without any.
_BEGINNINGS = (
    *("akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "ya29.", "aiza"),
    *("gocspx-", "xox", "hf_", "k_live_", "accountkey=", "sharedaccesskey=", "sharedaccesssignature="),
    *("password=", "pwd="),
)
_AWS_SECRET = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9/+]{40}")
_LONG_BASE64 = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9/+_\-]{60,}={0,2}")
_HEX = re.compile(r"[0-9a-f]{4,}|[0-9A-F]{4,}")  # of a UUID or a digest
_MOST_OF_WORD = 2.6  # characters, in the mean; random ones make words of 2.0, names of scenes 2.9 and more


def is_secret_name(name: str) -> bool:
    """Return True if values of this name are probably secrets: ``passphrase``, ``x-api-key``, ``dbPwd``."""
    words = [word.lower() for word in _WORD.findall(name)]
    return any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDS) for word in words) or any(
        pair in _SECRET_PAIRS for pair in pairwise(words)
    )


def holds_credential(text: str) -> bool:
    """Return True if a text is or contains something in the form of a credential.

    That is a private key, a token, a URL with a password or a signature, or JSON with a member of a secret's
    name.
    """
    if _KNOWN_FORMS.search(text) or _TOKENS.search(text) or _AWS_SECRET.fullmatch(text.strip()):
        return True
    if any(is_secret_name(name) for name in _MEMBER.findall(text)):
        return True
    return _SPACED.search(text) is not None or any(map(_opens, _URL.findall(text)))


def _opens(rest: str) -> bool:
    """Return True if the part of a URL after ``://`` holds a password (RFC 3986 §3.2.1) or a signature."""
    user, at, _ = rest.partition("@")
    return (bool(at) and ":" in user.partition("/")[0]) or any(map(is_secret_name, _QUERY.findall(rest)))


def is_credential(text: str) -> bool:
    """Return True if a text is most likely a credential itself, and no name, region or path.

    That is what :func:`holds_credential` finds, any JSON, and long base64.
    """
    stripped = text.strip()
    return (
        holds_credential(stripped)
        or stripped.startswith(("{", "eyJ", "ewo", "LS0tLS1"))
        or (_LONG_BASE64.fullmatch(stripped) is not None and _is_random(stripped))
    )


def _is_random(text: str) -> bool:
    """Return True if letters and digits alternate as often as by chance.

    In names that people and programs make of words, dates and numbers they do not:
    ``S2A_MSIL2A_20240511T101031_N0510_R022_T32UNE_ndvi``.
    """
    pieces = [piece for piece in re.split(r"[^A-Za-z0-9]+", text) if piece]
    words = sum(1 if _HEX.fullmatch(piece) else len(_WORD.findall(piece)) for piece in pieces)
    return sum(map(len, pieces)) < _MOST_OF_WORD * words


def without_tokens(text: str, hidden: str) -> str:
    """Replace tokens, keys and parts of connection strings whose form tells the provider."""
    if not _may_hold_token(text):
        return text
    # None of the forms goes over the end of a line, and most lines of a log hold none.
    lines = text.splitlines(keepends=True)
    return "".join(_TOKENS.sub(hidden, line) if _may_hold_token(line) else line for line in lines)


def _may_hold_token(text: str) -> bool:
    folded = text.casefold()
    return any(beginning in folded for beginning in _BEGINNINGS)
