"""A ceiling on the size of request bodies, before anything of them is read into memory."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pinwheel.api.errors import problem_of
from pinwheel.core.errors import InvalidInput

MAX_BODY_BYTES = 8 * 1024 * 1024


class _TooLarge(Exception):
    pass


class LimitBody:
    """ASGI middleware: 413 for a body of more than ``MAX_BODY_BYTES``, announced or not."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > MAX_BODY_BYTES:
            await _refuse(send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MAX_BODY_BYTES:
                raise _TooLarge
            return message

        try:
            await self.app(scope, counted, send)
        except _TooLarge:
            await _refuse(send)


async def _refuse(send: Send) -> None:
    import json

    from pinwheel.api.errors import MEDIA_TYPE

    error = InvalidInput(
        "Cannot read the request",
        found=f"its body is larger than {MAX_BODY_BYTES // 1024 // 1024} MiB",
        remedy="Select Dags by glob, tag or bundle in place of naming each one",
    )
    body = json.dumps({**problem_of(error), "status": 413, "title": "Content Too Large"}).encode()
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
