"""The API's description, and the page that shows it: Swagger UI from files of the package, without the Internet."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
from fastapi import APIRouter, Request
from starlette.responses import FileResponse, HTMLResponse, Response

from twin.settings import URL_PREFIX

FOLDER = Path(__file__).parent / "docs_page"
OPENAPI_PATH = f"{URL_PREFIX}/openapi.json"
DOCS_PATH = f"{URL_PREFIX}/docs"
BUNDLE_PATH, STYLE_PATH, START_PATH = (
    f"{DOCS_PATH}/{name}" for name in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js")
)
PATHS = (DOCS_PATH, BUNDLE_PATH, STYLE_PATH, START_PATH)
# Nothing from elsewhere, and no scripts inside the page; Swagger UI itself styles its elements one by one.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
    "X-Content-Type-Options": "nosniff",
}
PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Digital Twin QPU</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{STYLE_PATH}">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{BUNDLE_PATH}"></script>
<script src="{START_PATH}"></script>
</body>
</html>
"""
# validatorUrl: without it Swagger UI asks validator.swagger.io about the description.
# servers: a page calls where it came from, also where a proxy speaks https and the twin does not know.
START = f"""fetch("{OPENAPI_PATH}").then((answer) => answer.json()).then((spec) => SwaggerUIBundle({{
  spec: {{...spec, servers: [{{url: "/"}}]}},
  dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null, persistAuthorization: false,
}}));
"""
HOST = re.compile(r"[A-Za-z0-9._-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")
router = APIRouter(include_in_schema=False)


@router.get(OPENAPI_PATH)
async def description(request: Request) -> Response:
    """OpenAPI; its first server is the address that it was asked for at, as tools take it that import a file."""
    described, host = request.app.openapi(), request.headers.get("host", "")
    scheme = request.headers.get("x-forwarded-proto", request.url.scheme)
    if HOST.fullmatch(host) and scheme in {"http", "https"}:
        described = described | {"servers": [{"url": f"{scheme}://{host}"}, *described["servers"]]}
    return Response(orjson.dumps(described), headers={"Vary": "Host"}, media_type="application/json")


@router.get(DOCS_PATH)
async def page() -> Response:
    return HTMLResponse(PAGE, headers=HEADERS)


@router.get(BUNDLE_PATH)
async def bundle() -> Response:
    return FileResponse(FOLDER / "swagger-ui-bundle.js", headers=HEADERS, media_type="text/javascript")


@router.get(STYLE_PATH)
async def style() -> Response:
    return FileResponse(FOLDER / "swagger-ui.css", headers=HEADERS, media_type="text/css")


@router.get(START_PATH)
async def start() -> Response:
    return Response(START, headers=HEADERS, media_type="text/javascript")
