"""Which tenant a request belongs to: with AUTH=keys by a key or a browser's sign-in, with AUTH=open the local one."""

import ipaddress
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from models.queries.access.keys import ensure_local_tenant, tenant_of_key
from models.queries.access.sign_ins import tenant_of_sign_in
from models.tables import LOCAL_TENANT
from service.context import AppContext, AppContextDep
from service.http.problems import NOT_LOCAL, UNAUTHENTICATED, Problem

LONGEST_KEY = 200
COOKIE = "hearken_sign_in"
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="hearken"'}

bearer = HTTPBearer(auto_error=False, description="A key such as `hk_...`; not needed with AUTH=open.")


class OpenToTheNetworkError(Exception):
    """Without keys anybody on the network could use the service; the message says what to do."""


def refuse_open_to_the_network(host: str, auth: str) -> None:
    """Raise `OpenToTheNetworkError` for AUTH=open on an address that other machines can reach."""
    if auth == "open" and not is_loopback(host):
        raise OpenToTheNetworkError(
            f"HEARKEN_AUTH=open serves a loopback address only, and HEARKEN_HOST is {host}. Set HEARKEN_AUTH=keys and "
            "make a key with `hearken keys create --tenant NAME`, or serve on 127.0.0.1."
        )


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own, reached from nowhere else."""
    name = host.strip("[]").partition("%")[0].lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


async def _tenant(request: Request, context: AppContextDep) -> str:
    if context.settings.auth == "open":
        _refuse_strangers(request)
        return await _local_tenant(context)
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    secret = secret.strip()
    if scheme.lower() == "bearer" and secret:
        found = await context.database.single(tenant_of_key, secret) if could_be_secret(secret) else None
        if found is None:
            raise Problem(UNAUTHENTICATED, "The key is not known here, or was revoked.", headers=CHALLENGE)
        return found
    # A browser sends its cookie with requests that other sites cause too, so a cookie allows reading only.
    if request.method in ("GET", "HEAD"):
        found = await signed_in_tenant(request, context)
        if found is not None:
            return found
    raise Problem(UNAUTHENTICATED, headers=CHALLENGE)


async def signed_in_tenant(request: Request, context: AppContext) -> str | None:
    """The tenant of the browser that sent this, by its cookie; None where it is not signed in."""
    cookie = request.cookies.get(COOKIE, "")
    if not (cookie and could_be_secret(cookie)):
        return None
    return await context.database.single(tenant_of_sign_in, cookie)


def from_another_site(request: Request) -> bool:
    """Whether a page of another site made the browser send this."""
    return request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


def could_be_secret(sent: str) -> bool:
    """Whether this may be a key or a cookie's secret, and is worth a query."""
    return len(sent) <= LONGEST_KEY and sent.isascii()


async def _local_tenant(context: AppContext) -> str:
    if not context.local_tenant_known:
        await context.database.run(ensure_local_tenant)
        context.local_tenant_known = True
    return LOCAL_TENANT


def _refuse_strangers(request: Request) -> None:
    """Raise a `Problem` for a request of another machine, or of another site's page in a browser on this one."""
    server = request.scope.get("server")
    if server is not None and server[1] is not None and not is_loopback(server[0]):
        raise Problem(NOT_LOCAL)
    if not is_loopback(request.url.hostname or ""):
        raise Problem(NOT_LOCAL, "The header Host names another machine. Use http://127.0.0.1 or http://localhost.")
    if from_another_site(request):
        raise Problem(NOT_LOCAL, "A page of another site sent this request. Open the service's own pages instead.")


Tenant = Annotated[str, Depends(_tenant)]
"""The type of a route's parameter that is given the id of the request's tenant."""
Secured = Depends(bearer)
"""Shows in the OpenAPI document that a route takes a key."""
