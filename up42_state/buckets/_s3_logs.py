"""What botocore writes into its log at debug level, without session tokens.

It logs every request with its headers, and what it signs. A signature is of that one request and valid for
fifteen minutes; a session token is a credential, whose holder needs nothing but the secret key besides.
Source: AWS Signature Version 4, "Elements of an AWS API request signature".
"""

from __future__ import annotations

import logging
import re

__all__ = ["hide_tokens"]

_LOGGERS = ("botocore.auth", "botocore.endpoint", "botocore.httpsession", "botocore.awsrequest")
_TOKEN = re.compile(r"(x-amz-security-token['\"]?\s*[:=,]\s*b?['\"]?)[^'\"\s,}]+", re.IGNORECASE)


class _WithoutTokens(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, its session token replaced."""
        text = record.getMessage()
        hidden = _TOKEN.sub(r"\1…", text)
        if hidden != text:
            record.msg, record.args = hidden, ()
        return True


_FILTER = _WithoutTokens()


def hide_tokens() -> None:
    """Keep session tokens out of botocore's log, in the whole process; again is no harm."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
