"""Which routes an application has for a path: asked by what answers for all of them."""

from __future__ import annotations

from starlette.routing import Match, Router
from starlette.types import Scope

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ALL_METHODS = frozenset({*METHODS, "HEAD", "OPTIONS"})


def allowed_methods(router: Router, scope: Scope) -> str:
    """Every method of a path, as the header `Allow` has them; empty where there is nothing."""
    for path in (scope["path"], other_slash(scope["path"])):
        found = [method for method in METHODS if _matches(router, {**scope, "path": path, "method": method})]
        if found:
            return ", ".join([*found, *(["HEAD"] if "GET" in found else []), "OPTIONS"])
    return ""


def _matches(router: Router, scope: Scope) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in router.routes)


def is_there(router: Router, scope: Scope) -> bool:
    return any(route.matches(scope)[0] is not Match.NONE for route in router.routes)


def other_slash(path: str) -> str:
    return path[:-1] if path.endswith("/") else path + "/"
