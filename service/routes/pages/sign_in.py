"""The page where a browser signs in with a key, and signing out."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from models.queries.access.sign_ins import begin_sign_in, end_sign_in
from service.auth.browser import keep_cookie, own_path, read_form
from service.auth.tenant import COOKIE, could_be_secret, from_another_site, signed_in_tenant
from service.context import AppContextDep
from service.pages.html import login_page, security_headers, signed_in_page

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

HEADERS = {**security_headers("style-src 'unsafe-inline'", forms="'self'"), "Cache-Control": "no-store"}
WRONG_KEY = "The key is not known here, or was revoked."
WRONG_SITE = "The form was sent by a page of another site. If you want to sign in, do it here."


@router.get("/login")
async def get_login(request: Request, context: AppContextDep, next: str = "/") -> HTMLResponse:  # noqa: A002 - the field's name
    """The form; for a browser that is signed in already, the way out."""
    if context.settings.auth == "open" or await signed_in_tenant(request, context) is not None:
        return HTMLResponse(signed_in_page(context.settings.auth == "keys"), headers=HEADERS)
    return HTMLResponse(login_page(own_path(next)), headers=HEADERS)


@router.post("/login")
async def post_login(request: Request, context: AppContextDep) -> Response:
    """Exchange the key for a cookie and go on, or show the form again."""
    form = await read_form(request)
    onward, key = own_path(form.get("next", "/")), form.get("key", "").strip()
    if from_another_site(request):
        return HTMLResponse(login_page(onward, WRONG_SITE), 403, headers=HEADERS)
    secret = None
    if context.settings.auth == "keys" and could_be_secret(key):
        secret = await context.database.run(begin_sign_in, key, context.settings.sign_in_hours)
    if secret is None:
        return HTMLResponse(login_page(onward, WRONG_KEY), 401, headers=HEADERS)
    response = RedirectResponse(onward, 303, headers=HEADERS)
    keep_cookie(response, request, secret, context.settings.sign_in_hours)
    return response


@router.post("/logout")
async def post_logout(request: Request, context: AppContextDep) -> Response:
    """Forget the sign-in, here and in the browser."""
    if from_another_site(request):
        return RedirectResponse("/login", 303, headers=HEADERS)
    secret = request.cookies.get(COOKIE, "")
    if secret and could_be_secret(secret):
        await context.database.run(end_sign_in, secret)
    response = RedirectResponse("/login", 303, headers=HEADERS)
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return response
