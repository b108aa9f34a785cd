"""What SDKs write into their logs, without secrets.

At debug level botocore logs every request with its headers, and what it signs. A signature is of that one
request and valid for fifteen minutes; a session token is a credential, whose holder needs nothing but the
secret key besides. Source: AWS Signature Version 4, "Elements of an AWS API request signature".
"""

from __future__ import annotations

import logging
import re
import traceback

from up42_state.secrets.redaction import clean, without_credentials

__all__ = ["hide_secrets"]

_PACKAGES = ("boto3", "botocore", "fsspec", "google", "requests", "s3transfer", "urllib3")
# What a URL is signed with is logged on a line after this word, and good for as long as the URL is.
_SIGNATURE = re.compile(r"(Signature:\s+)[0-9a-f]{64}", re.IGNORECASE)
_TOKEN = re.compile(r"(x-amz-security-token['\"]?\s*[:=,]\s*b?['\"]?)[^'\"\s,}]+", re.IGNORECASE)


class _WithoutSecrets(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, the secrets in it replaced."""
        text = record.getMessage()
        hidden = without_credentials(_SIGNATURE.sub(r"\1…", _TOKEN.sub(r"\1…", text)))
        if hidden != text:
            record.msg, record.args = hidden, ()
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and clean(error) is not error:
            record.exc_text = without_credentials("".join(traceback.format_exception(error)).rstrip())
            record.exc_info = None
        return True


_FILTER = _WithoutSecrets()


def hide_secrets() -> None:
    """Keep secrets out of the logs of the SDKs that are loaded, in the whole process; again is no harm."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in _PACKAGES:
            logging.getLogger(name).addFilter(_FILTER)
