"""Bodies of requests, read as RFC 8259 writes JSON: what Python alone would take or choke on is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response


class JsonRoute(APIRoute):
    """A route whose body is JSON in UTF-8, without doubled keys, ``NaN`` and numbers that nothing can hold.

    Whatever is wrong with a body answers 422; FastAPI alone answers some of it with 400.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handle(_Strict(request.scope, request.receive))

        return strict


class _Strict(Request):
    async def json(self) -> Any:
        """The body.

        :raises json.JSONDecodeError: FastAPI makes a validation error of it. It repeats nothing of the body.
        """
        body = await self.body()
        try:
            return json.loads(
                body.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_refuse_constant
            )
        except json.JSONDecodeError:
            raise
        except UnicodeDecodeError as error:
            raise json.JSONDecodeError("not UTF-8", "", error.start) from None
        except RecursionError:
            raise json.JSONDecodeError("nested too deep", "", 0) from None
        except ValueError as error:
            # Python's own limit on the digits of a number, and what the hooks below refuse.
            words = str(error) if isinstance(error, _Unusable) else "a number with too many digits"
            raise json.JSONDecodeError(words, "", 0) from None


class _Unusable(ValueError):
    """JSON that different readers read differently."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Unusable("an object has the same key twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise _Unusable(f"{name} is no JSON")
