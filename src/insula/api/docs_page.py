"""The pages of ``/docs`` as text: pure, from the OpenAPI document."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

from insula.api.problems import Kind

METHODS = ("get", "put", "post", "patch", "delete")

STYLE = """\
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; }
summary { padding: .5rem .8rem; cursor: pointer; }
details > div { padding: 0 1rem 1rem; }
.method { display: inline-block; min-width: 4.5em; font-weight: 700; text-transform: uppercase; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-top: 1px solid var(--line); }
pre { background: var(--soft); padding: .8rem; overflow-x: auto; border-radius: 6px; }
code { font-size: .95em; overflow-wrap: anywhere; }
nav a { margin-right: 1em; }
"""


def operations_page(document: Mapping[str, Any]) -> str:
    """Every operation, by tag."""
    tags = [(tag["name"], tag.get("description", "")) for tag in document.get("tags", ())]
    sections = "".join(_section(document, name, about) for name, about in tags)
    links = "".join(f'<a href="#{escape(name)}">{escape(name)}</a>' for name, _ in tags)
    info = document["info"]
    return _page(
        f"{info['title']} {info['version']}",
        f"<p>{_text(info['description'])}</p>"
        '<p><a href="/schema/openapi.json">The OpenAPI document</a>; <a href="/docs/problems">kinds of problems</a></p>'
        f"<nav>{links}</nav>{sections}",
    )


def problems_page(kinds: Mapping[int, Kind]) -> str:
    """What the ``type`` of a problem leads to."""
    rows = "".join(
        f'<tr id="{kind.name}"><td><code>{kind.name}</code></td><td>{status}</td><td>{escape(kind.title)}</td>'
        f"<td>{_text(kind.about)}</td></tr>"
        for status, kind in kinds.items()
    )
    head = "<tr><th>type</th><th>status</th><th>title</th><th>what it is</th></tr>"
    return _page("Kinds of problems", f'<p><a href="/docs">All operations</a></p><table>{head}{rows}</table>')


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="/docs/style.css"></head>'
        f"<body><h1>{escape(title)}</h1>{body}</body></html>"
    )


def _section(document: Mapping[str, Any], tag: str, about: str) -> str:
    found = [
        _operation(document, method, path, item[method])
        for path, item in sorted(document["paths"].items())
        for method in METHODS
        if tag in item.get(method, {}).get("tags", ())
    ]
    return f'<h2 id="{escape(tag)}">{escape(tag)}</h2><p>{_text(about)}</p>{"".join(found)}' if found else ""


def _operation(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [f"<p>{_text(operation.get('description', ''))}</p>"]
    if operation.get("parameters"):
        parts.append(_table("Parameters", ("name", "in", "type", "about"), _parameters(document, operation)))
    for type_, media in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<h4>Body: <code>{escape(type_)}</code></h4>{_media(document, media)}")
    parts.append(_table("Answers", ("status", "what"), _answers(operation)))
    for status, answer in operation["responses"].items():
        for media in answer.get("content", {}).values() if status < "300" else ():
            parts.append(_media(document, media))
    name = escape(operation.get("summary", ""))
    return (
        f'<details id="{escape(operation["operationId"])}"><summary><span class="method">{method}</span>'
        f"<code>{escape(path)}</code> {name}</summary><div>{''.join(parts)}</div></details>"
    )


def _parameters(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for one in operation["parameters"]:
        need = "" if one.get("required") else " (may be left out)"
        about = f"{_text(one.get('description', ''))}{need}"
        yield f"<code>{escape(one['name'])}</code>", escape(one["in"]), _type(document, one.get("schema", {})), about


def _answers(operation: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for status, answer in operation["responses"].items():
        types = ", ".join(f"<code>{escape(type_)}</code>" for type_ in answer.get("content", {}))
        yield escape(status), f"{_text(answer.get('description', ''))} {types}"


def _media(document: Mapping[str, Any], media: Mapping[str, Any]) -> str:
    schema = _resolved(document, media.get("schema", {}))
    required = schema.get("required", ())
    rows = [
        (
            f"<code>{escape(name)}</code>{'' if name in required else ' (may be left out)'}",
            _type(document, one),
            _text(_resolved(document, one).get("description", "")),
        )
        for name, one in schema.get("properties", {}).items()
    ]
    table = f"<p>{_text(schema.get('description', ''))}</p>"
    table += _table("Fields", ("name", "type", "about"), rows) if rows else ""
    example = media.get("example")
    if example is None:
        return table
    shown = example if isinstance(example, str) else json.dumps(example, indent=2)
    return f"{table}<pre><code>{escape(shown)}</code></pre>"


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _type(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """In a few words."""
    if "$ref" in schema:
        return escape(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(one))}</code>" for one in schema["enum"])
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return " or ".join(_type(document, one) for one in schema[key])
    if schema.get("type") == "array":
        return f"list of {_type(document, schema.get('items', {}))}"
    return escape(str(schema.get("type", "anything")))


def _table(title: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """The cells of the rows are HTML."""
    heads = "".join(f"<th>{escape(one)}</th>" for one in head)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<h4>{escape(title)}</h4><table><tr>{heads}</tr>{lines}</table>"


def _text(text: str) -> str:
    """HTML of a description; what is between backticks is code."""
    return re.sub(r"`+([^`]+)`+", r"<code>\1</code>", escape(text))
