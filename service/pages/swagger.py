"""The contract as a page to read and try: Swagger UI, every file of it from this service itself."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from service.pages.html import security_headers

HEADERS: Final = security_headers(
    "script-src 'self'", "style-src 'self' 'unsafe-inline'", "img-src data: blob:", "connect-src 'self'"
)
"""Script and style are this service's own, and so is whatever a reader tries; nothing comes from another host."""

FILES: Final = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
"""What Swagger UI consists of, and of which kind it is."""

SCRIPT = """
"use strict";
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
SwaggerUIBundle({url: "openapi.json", dom_id: "#contract", deepLinking: true, displayRequestDuration: true,
  defaultModelsExpandDepth: 0, validatorUrl: "none"});
"""

STYLE = """
:root { color-scheme: light; } :root.dark-mode { color-scheme: dark; }
body { margin: 0; } noscript p { padding: 2rem; }
.swagger-ui .wrapper { padding: 0 16px; }
.swagger-ui .opblock .opblock-summary-path { overflow-wrap: anywhere; }
@media (max-width: 34rem) { .swagger-ui .opblock .opblock-summary { flex-wrap: wrap; }
  .swagger-ui table { display: block; overflow-x: auto; } }
"""


def reference_page() -> str:
    """The page into which Swagger UI puts the contract; its addresses are relative, so it works behind any prefix."""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<title>Every route and field · Hearken</title><link rel=icon href='data:,'>"
        f"<link rel=stylesheet href=docs/swagger-ui.css><style>{STYLE}</style>"
        "<noscript><p>This page needs script. What it shows stands in <a href=openapi.json>openapi.json</a>.</p>"
        "</noscript>"
        "<main id=contract></main><script src=docs/swagger-ui-bundle.js defer></script>"
        "<script src=docs/start.js defer></script></html>"
    )


def place_of(name: str) -> Path:
    """Where one of `FILES` lies in the package that carries them."""
    return Path(str(files("fastapi_swagger"))) / "resources" / name
