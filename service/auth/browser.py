"""Signing in by a browser: its form, its cookie, and the page that it returns to."""

from urllib.parse import parse_qs, quote

from fastapi import Request, Response

from service.auth.tenant import COOKIE
from service.http.bodies import media_type, refuse_large_body
from service.http.problems import UNSUPPORTED_MEDIA_TYPE, Problem

FORM = "application/x-www-form-urlencoded"
LARGEST_FORM = 8192


def is_navigation(request: Request) -> bool:
    """Whether a person opened this address in a browser, and should see a page instead of a problem document."""
    return request.method == "GET" and request.headers.get("sec-fetch-mode") == "navigate"


def login_address(request: Request) -> str:
    """The address of the sign-in page, which then leads back to what was asked for."""
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/login?next={quote(asked, safe='/')}"


def own_path(sent: str) -> str:
    """The path to return to after signing in; the front page where the one sent leads to another site."""
    plain = sent.isascii() and sent.isprintable() and "\\" not in sent
    return sent if plain and sent.startswith("/") and not sent.startswith("//") else "/"


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a small form, each once. Raises a `Problem` for another kind of body or a large one."""
    if media_type(request) != FORM:
        raise Problem(UNSUPPORTED_MEDIA_TYPE, f"Send `{FORM}`, as the page's form does.")
    body = b""
    async for piece in request.stream():
        body += piece
        refuse_large_body(len(body), LARGEST_FORM, at_least=True)
    fields = parse_qs(body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=20)
    return {name: values[-1] for name, values in fields.items()}


def keep_cookie(response: Response, request: Request, secret: str, hours: float) -> None:
    """Set the cookie of a sign-in, which neither scripts nor other sites' requests can use."""
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(hours * 3600),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
