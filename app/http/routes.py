"""Routes whose guards run before the body is read.

FastAPI by itself reads and parses the body first, and only then asks the dependencies who is calling. Here
whatever takes a security scheme is asked before, and then once more in FastAPI's own order: that nobody gets
in without a guard never hangs on this class. Guards remember whom they let in.
"""

import inspect
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import solve_dependencies
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, _effective_route_context_var
from fastapi.security.base import SecurityBase

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class GuardedRoute(APIRoute):
    """To be given as `route_class` to every router whose routes have bodies."""

    def get_route_handler(self) -> Handler:
        """The handler of this route as it is included just now: behind one door or another."""
        handle = super().get_route_handler()
        # Including a router makes a handler for each inclusion, and tells it so only here.
        included = _effective_route_context_var.get()
        route: Any = self if included is None else included
        guards = [one for one in route.dependant.dependencies if _is_guard(one)]
        if route.body_field is None or not guards:
            return handle
        before = Dependant(call=_nothing, path=self.path, dependencies=guards)

        async def guarded(request: Request) -> Response:
            async with AsyncExitStack() as stack:
                solved = await solve_dependencies(
                    request=request, dependant=before, async_exit_stack=stack, embed_body_fields=False
                )
            if solved.errors:
                raise RequestValidationError(solved.errors)
            return await handle(request)

        return guarded


def _is_guard(dependant: Dependant) -> bool:
    """Whether it asks for credentials and holds nothing open, such as a transaction."""
    return not inspect.isasyncgenfunction(dependant.call) and _takes_credentials(dependant)


def _takes_credentials(dependant: Dependant) -> bool:
    scheme: object = dependant.call
    return isinstance(scheme, SecurityBase) or any(map(_takes_credentials, dependant.dependencies))


async def _nothing() -> None:
    """What the guards stand before when they are asked alone."""
