"""Answer ``POST /validate-schema/block`` as the platform did, for clients that were written for it.

The service needs the extra ``server``. The platform's documentation ("Validating your manifest") gives the
answers for a valid and for an invalid manifest. A request that holds no manifest gets another 4xx status in
the documented envelope, with ``error`` set.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import Route

from up42_state.manifest.syntax import MAX_BYTES
from up42_state.manifest.validation import validate_text

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["PATH", "application"]

PATH = "/validate-schema/block"
MAX_DISCARDED = 16 * MAX_BYTES  # read on for so long that the client gets to read the answer


def application() -> Starlette:
    """Return the service as an ASGI application."""
    return Starlette(
        routes=[Route(PATH, _validate, methods=["POST"])],
        exception_handlers={HTTPException: _refused},
    )


async def _validate(request: Request) -> JSONResponse:
    _check_type(request)
    body = await _body(request)
    found = await run_in_threadpool(validate_text, body)
    if not found.readable:
        raise HTTPException(HTTPStatus.BAD_REQUEST, found.errors[-1].problem)
    wanted = request.query_params.get("warnings", "").lower() in ("1", "true", "yes")
    status = HTTPStatus.OK if found.valid else HTTPStatus.BAD_REQUEST
    return JSONResponse(found.to_dict(warnings=wanted), status_code=status)


def _check_type(request: Request) -> None:
    given = request.headers.get("content-type", "")
    kind = given.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        problem = f"the content type is {given or 'missing'}, not application/json"
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, problem)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body is compressed")


async def _body(request: Request) -> bytes:
    """Read the body of a request: at most 1 MiB, whatever the headers say of its length."""
    body = bytearray()
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size <= MAX_BYTES:
                body += chunk
            elif size > MAX_DISCARDED:
                break
    except ClientDisconnect as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the body ended early") from error
    except asyncio.CancelledError as error:  # a signal came, and the server waits no longer
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "the service ends") from error
    if size > MAX_BYTES:
        problem = f"the body is larger than {MAX_BYTES} bytes"
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, problem, {"Connection": "close"})
    return bytes(body)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    """Answer a refused request in the documented envelope."""
    status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
    message = error.detail if isinstance(error, HTTPException) else ""
    headers = error.headers if isinstance(error, HTTPException) else None
    envelope = {
        "error": {"code": int(status), "message": message},
        "data": {"valid": False, "errors": [f"#: {message}"]},
    }
    return JSONResponse(envelope, status_code=status, headers=headers)
