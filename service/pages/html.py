"""The few pages for people that need no script: the front page and those of the problem types."""

from html import escape

from models.settings import ModelEntry
from service.http.problems import CLASSES, PATH, PROBLEM_TYPES, ProblemType


def security_headers(*sources: str, forms: str = "'none'") -> dict[str, str]:
    """Security headers of a page that loads from these sources only and that no other page may frame.

    `forms` says where its forms may be sent.
    """
    policy = ("default-src 'none'", *sources, f"form-action {forms}", "base-uri 'none'", "frame-ancestors 'none'")
    return {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


SECURITY_HEADERS = security_headers("style-src 'unsafe-inline'")

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fbfaf7; --quiet: #5d6775; --line: #dcd8cf; --mark: #0a6c74;
  --code: #f1eee6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7e4dc; --paper: #15191f; --quiet: #9aa4b1; --line: #2d343d;
  --mark: #5cc4cc; --code: #1e242c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 17px/1.6 system-ui, sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 4rem 1.5rem 5rem; }
h1 { font-size: 2.2rem; line-height: 1.2; margin: 0 0 1rem; letter-spacing: -0.01em; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 0.6rem; }
p { margin: 0 0 1rem; } .quiet { color: var(--quiet); }
a { color: var(--mark); text-underline-offset: 0.15em; }
a:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px; }
code, pre { font: 0.86em/1.55 ui-monospace, SFMono-Regular, Menlo, monospace; }
pre { background: var(--code); border: 1px solid var(--line); border-radius: 8px; padding: 1rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
td { border-top: 1px solid var(--line); padding: 0.45rem 1rem 0.45rem 0;
  vertical-align: top; } td:first-child { white-space: nowrap; }
form { display: grid; gap: 0.6rem; max-width: 30rem; margin: 0 0 1.5rem; } label { font-weight: 600; }
input, button { font: inherit; padding: 0.65rem 0.8rem; border: 1px solid var(--line); border-radius: 8px;
  width: 100%; }
input { background: var(--code); color: var(--ink); } button { background: var(--mark); color: var(--paper); border: 0;
  font-weight: 600; cursor: pointer; }
input:focus-visible, button:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px; }
[role=alert] { border-left: 3px solid #c0392b; padding-left: 0.8rem; }
@media (max-width: 34rem) { td, td:first-child { display: block; white-space: normal; }
  td + td { border-top: 0; padding-top: 0; } }
"""

ROUTES = (
    ("POST /v1/analyses", "one conversation or text, measured"),
    ("POST /v1/datasets", "many documents, one JSON object a line"),
    ("POST /v1/batches", "every document of a data set, measured"),
    ("POST /v1/comparisons", "groups of documents, or models, against each other"),
    ("GET /v1/jobs/{id}", "how far it is"),
    ("POST /v1/search", "the nearest conversations, documents or turns"),
    ("GET /v1/models", "what is served here"),
)


def front_page(entries: tuple[ModelEntry, ...], base_url: str, keys: bool) -> str:
    """What this is, how to send the first conversation, and where to read on."""
    key = "  -H 'Authorization: Bearer hk_...' \\\n" if keys else ""
    example = (
        f"curl {base_url}v1/analyses \\\n{key}  -H 'Content-Type: application/json' \\\n"
        '  -d \'{"conversation": {"turns": [\n'
        '        {"speaker": "Ana", "text": "Are you coming?"},\n'
        '        {"speaker": "Bo", "text": "Yes, at six."}]}}\''
    )
    routes = "".join(f"<tr><td><code>{escape(route)}</code></td><td>{escape(does)}</td></tr>" for route, does in ROUTES)
    models = ", ".join(f"<code>{escape(entry.id)}</code>" for entry in entries)
    sign_in = "<a href=/login>Sign in</a> · " if keys else ""
    return _page(
        "Hearken",
        "<h1>How does a language model attend to a conversation?</h1>"
        "<p>Hearken reads conversations and texts with a language model and measures where its attention goes: how far "
        "it looks, how evenly, to which turns and which speakers. Every number is exact and has a "
        "definition; groups of documents can be compared, and what was measured can be searched.</p>"
        f"<h2>Send a conversation</h2><pre>{escape(example)}</pre>"
        f"<p class=quiet>Served here: {models}.</p>"
        f"<h2>What there is</h2><table>{routes}</table>"
        f"<h2>Read on</h2><p>{sign_in}<a href=/docs>Every route and field</a> · <a href={PATH}>What can go wrong</a> · "
        "<a href=/readyz>Is everything there?</a></p>",
    )


def login_page(onward: str, wrong: str | None = None) -> str:
    """Where a browser exchanges a key for a sign-in, and then goes on to the path `onward`."""
    alert = f"<p role=alert>{escape(wrong)}</p>" if wrong else ""
    return _page(
        "Sign in",
        "<h1>Sign in with a key</h1>"
        "<p>Reports and other pages of this service belong to somebody. A key says to whom; it is exchanged for a "
        "cookie of this browser and not kept.</p>"
        f"{alert}<form method=post action=/login><label for=key>Key</label>"
        "<input id=key name=key type=password required autofocus autocomplete=current-password spellcheck=false "
        "placeholder='hk_…' maxlength=200>"
        f"<input type=hidden name=next value='{escape(onward)}'><button>Sign in</button></form>"
        "<p class=quiet>Whoever runs this service makes keys: <code>hearken keys create --tenant NAME</code>. What a "
        "signed-in browser may do is read; everything else is sent with the key itself.</p>",
    )


def signed_in_page(keys: bool) -> str:
    """For a browser that needs no key, or has signed in."""
    told = "This browser is signed in." if keys else "This service asks for no key: it answers this machine alone."
    out = "<form method=post action=/logout><button>Sign out</button></form>" if keys else ""
    return _page("Sign in", f"<h1>Nothing to do</h1><p>{told}</p>{out}<p><a href=/>Back to the front page</a></p>")


def problem_page(kind: ProblemType) -> str:
    """What a problem type means and what to do."""
    return _page(
        kind.title,
        f"<p class=quiet>Problem {kind.status} · <code>{escape(kind.name)}</code></p><h1>{escape(kind.title)}</h1>"
        f"<h2>What to do</h2><p>{_prose(kind.remedy)}</p>"
        f"<p class=quiet>The answer's <code>detail</code> says what was wrong with this one request.</p>"
        f"<p><a href={PATH}>All problems</a> · <a href=/docs>The contract</a></p>",
    )


def problems_page() -> str:
    """Every problem type by its kind."""
    sections = "".join(
        f"<h2>{escape(name)}</h2><table>"
        + "".join(
            f"<tr><td><a href={kind.url}><code>{escape(kind.name)}</code></a></td>"
            f"<td>{escape(kind.title)} <span class=quiet>{kind.status}</span></td></tr>"
            for kind in kinds
        )
        + "</table>"
        for name, kinds in CLASSES.items()
    )
    return _page(
        "Problems", f"<h1>What can go wrong</h1><p>{len(PROBLEM_TYPES)} problems, each with a remedy.</p>{sections}"
    )


def _prose(text: str) -> str:
    """Escaped text, with parts in backticks as code."""
    parts = escape(text).split("`")
    return "".join(part if index % 2 == 0 else f"<code>{part}</code>" for index, part in enumerate(parts))


def _page(title: str, body: str) -> str:
    name = title if title == "Hearken" else f"{title} · Hearken"
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(name)}</title><style>{STYLE}</style><main>{body}</main></html>"
    )
