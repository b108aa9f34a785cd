"""Telling Google Cloud Storage's answers from those of whatever else stands at the address.

google-cloud-storage takes any JSON for a listing without objects, and follows redirects. So each answer is
looked at as it comes from the wire: whether it is the resource that is asked for, which names its own kind.
Nothing is sent to another host than the one that was set, wherever a redirect or an upload's address leads.
Source: Cloud Storage JSON API reference, the response of each method.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from requests.adapters import HTTPAdapter

from up42_state.buckets.network.hosts import origin_of
from up42_state.errors import StoreUnreachableError

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

__all__ = ["OneHost", "StorageAnswers", "foreign"]

_REDIRECTS = {301, 302, 303, 307, 308}
_OBJECT = "storage#object"
# The second are the lines of Go's router (Traefik) and of Kubernetes' ingress for what they do not know.
_PAGE = re.compile(rb"\s*<|\s*(?:404 page not found|default backend - 404)")
# What a path ends with, and the kind of resource that is answered.
_KINDS = (
    (re.compile(r"/b/[^/]+/o/[^/]+/rewriteTo/b/[^/]+/o/[^/]+"), "storage#rewriteResponse", ("done",)),
    (re.compile(r"/b/[^/]+/o/[^/]+"), _OBJECT, ("generation", "updated")),
    (re.compile(r"/b/[^/]+/o/[^/]+/compose"), _OBJECT, ("generation",)),
    (re.compile(r"/b/[^/]+/o"), "storage#objects", ()),
    (re.compile(r"/b/[^/]+"), "storage#bucket", ()),
    (re.compile(r"/b"), "storage#buckets", ()),
)


def foreign(origin: str, asked: str, came: str) -> StoreUnreachableError:
    """The error for an answer that is none of the store's.

    :param asked: the method and what it is about.
    :param came: what came instead; nothing that might be secret.
    """
    return StoreUnreachableError(
        f"{origin} gave an answer to {asked} that is no answer of Google Cloud Storage: {came}",
        advice="look for a login page or a proxy in between, or another service at this address"
        " (STORAGE_EMULATOR_HOST); nothing was taken from the answer",
    )


class OneHost(HTTPAdapter):
    """Sends to one host, and follows no redirect.

    :param origin: scheme, host and port; empty for whatever host is first asked for.
    """

    def __init__(self, origin: str = "", **options: Any) -> None:
        super().__init__(**options)
        self._origin = origin

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        """Send a request, and look at the answer.

        :raises StoreUnreachableError: it goes elsewhere, or the answer leads there.
        """
        origin = origin_of(request.url or "")
        if self._origin and origin != self._origin:
            raise _elsewhere(self._origin, origin, "leads")
        answer = super().send(request, *args, **options)
        target = answer.headers.get("Location")
        if answer.status_code in _REDIRECTS and target is not None:
            answer.close()
            raise _elsewhere(origin, origin_of(target), f"redirects ({answer.status_code})")
        self.check(request, answer)
        return answer

    def check(self, request: PreparedRequest, answer: Response) -> None:
        """Look at an answer. Token services answer here as well, each in its own way: nothing is refused."""


class StorageAnswers(OneHost):
    """Sends to one host, follows no redirect, and gives no answer that is not the store's."""

    def check(self, request: PreparedRequest, answer: Response) -> None:
        """Look at an answer of success, or that something is not there or not allowed.

        :raises StoreUnreachableError: it is not what the store answers to this request.
        """
        problem = ""
        if 200 <= answer.status_code < 300:
            problem = _problem(request, answer)
        elif answer.status_code in {403, 404} and _PAGE.match(answer.content):
            problem = "a page"  # the store says in JSON, or in a line of text, what it refuses
        elif answer.status_code == 401 and _kind(answer) == "text/html":  # closed by others, unread
            problem = "a page"
        if problem:
            kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()[:60] or "no Content-Type"
            answer.close()
            path = urlsplit(request.url or "").path
            asked = f"{request.method} {'batch' if path.startswith('/batch') else path}"
            raise foreign(origin_of(request.url or ""), asked, f"{answer.status_code}, {kind}, {problem}")


def _elsewhere(origin: str, target: str, how: str) -> StoreUnreachableError:
    where = f"to {target}" if target else "without saying where"
    advice = f"set STORAGE_EMULATOR_HOST to {target}" if target else "look for a proxy in between"
    return StoreUnreachableError(
        f"{origin} {how} {where}, and requests are not sent to another address than the one that was set",
        advice=f"{advice}, if that is the store",
    )


def _problem(request: PreparedRequest, answer: Response) -> str:
    """What is wrong with an answer of success; empty where nothing."""
    parts = urlsplit(request.url or "")
    query = parse_qs(parts.query)
    if parts.path.startswith("/batch"):
        return "" if _kind(answer).startswith("multipart/mixed") else "not multipart/mixed"
    if request.method == "DELETE":
        return "" if answer.status_code == 204 or not answer.content.strip() else "where nothing is sent"
    if "media" in query.get("alt", ()):
        return _problem_of_media(answer)
    if request.method == "POST" and "resumable" in query.get("uploadType", ()):
        return "" if "Location" in answer.headers else "without Location"
    if parts.path.startswith(("/upload/", "/resumable/")) or "upload_id" in query:
        return _problem_of_resource(answer, _OBJECT, ("generation",))
    for path, kind, members in _KINDS:
        if re.fullmatch(rf"(?:/storage/v1)?{path.pattern}", parts.path):
            return _problem_of_resource(answer, kind, () if "fields" in query else members)
    return ""


def _problem_of_media(answer: Response) -> str:
    """Objects of ours are stored as bytes of no kind; emulators do not tell their generation."""
    if "x-goog-generation" in answer.headers or _kind(answer) == "application/octet-stream":
        return ""
    return "neither x-goog-generation nor application/octet-stream"


def _problem_of_resource(answer: Response, kind: str, members: tuple[str, ...]) -> str:
    try:
        found = json.loads(answer.content)
    except ValueError:
        return "not JSON"
    if not isinstance(found, dict) or found.get("kind") != kind:
        return f"not {kind}"
    missing = [name for name in members if name not in found]
    return f"{kind} without {missing[0]}" if missing else ""


def _kind(answer: Response) -> str:
    return str(answer.headers.get("Content-Type", "")).partition(";")[0].strip().lower()
