"""A ceiling on the size of request bodies, before they are held in memory."""

from __future__ import annotations

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 8 * 1024 * 1024


class LimitBody:
    """ASGI middleware: 413 for a body of more than ``MAX_BODY_BYTES``, announced or not."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        left = MAX_BODY_BYTES if not announced.isdigit() or int(announced) <= MAX_BODY_BYTES else -1

        async def counted() -> Message:
            nonlocal left
            message = await receive() if left >= 0 else {"type": "http.request"}
            left -= len(message.get("body", b""))
            if left < 0:
                # FastAPI passes on this exception, and only this, from the reading of a body.
                size = MAX_BODY_BYTES // 1024 // 1024
                raise HTTPException(413, f"its body is larger than {size} MiB")
            return message

        await self.app(scope, counted, send)
