"""``/docs``: the API for people, made here of its OpenAPI document. Nothing comes from outside, and nothing runs."""

from typing import Any

from litestar import Litestar, MediaType, Response, Router, get

from insula.api.access import needs
from insula.api.asking import Asked
from insula.api.docs_page import STYLE, operations_page, problems_page
from insula.api.openapi import complete
from insula.api.problems import KINDS

POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


class Pages:
    """Made at the first request, as routes do not change."""

    def __init__(self) -> None:
        self._operations = ""

    def operations(self, app: Litestar) -> str:
        if not self._operations:
            self._operations = operations_page(complete(app.openapi_schema.to_schema(), app))
        return self._operations


def docs_router() -> Router:
    pages = Pages()

    @get("/")
    async def docs(request: Asked) -> Response[str]:
        return _html(pages.operations(request.app))

    @get("/problems")
    async def problems(request: Asked) -> Response[str]:
        return _html(problems_page(KINDS))

    @get("/style.css")
    async def style(request: Asked) -> Response[str]:
        return Response(STYLE, media_type=MediaType.CSS, headers={**HEADERS, "Cache-Control": "max-age=3600"})

    return Router("/docs", route_handlers=[docs, problems, style], opt=needs("nothing"), include_in_schema=False)


def _html(text: str) -> Response[Any]:
    return Response(text, media_type=MediaType.HTML, headers=HEADERS)
