"""How can the API be read in a browser? The OpenAPI document as a page that loads nothing from elsewhere."""

from html import escape
from typing import Any

import msgspec

Json = dict[str, Any]
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "h2{margin-top:2rem;border-top:1px solid #ccc;padding-top:1rem}"
    "code,pre{background:#f4f4f4;padding:.1em .3em}pre{padding:1em;overflow:auto}"
    "td,th{text-align:left;vertical-align:top;padding:.2em 1em .2em 0}"
)


def page(title: str, body: str) -> str:
    """Give a whole page; `body` is HTML already."""
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(title)}</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style><body>{body}</body></html>"
    )


def docs(document: Json) -> str:
    """Give the OpenAPI document as a page."""
    operations = [
        _operation(f"{method.upper()} {path}", one)
        for path, methods in document["paths"].items()
        for method, one in methods.items()
    ]
    structs = [
        f"<h3 id='{escape(name)}'>{escape(name)}</h3><p>{escape(struct.get('description', ''))}</p>{_fields(struct)}"
        for name, struct in document["components"]["schemas"].items()
    ]
    return page(
        "foryou: the API",
        "<h1>foryou: the API</h1><p>Made from <a href='/openapi.json'>/openapi.json</a>. "
        "Every error is a <a href='#Problem'>Problem</a> (RFC 9457). An id in a path is percent-encoded; "
        f"a slash in it is written %2F.</p>{''.join(operations)}<h2>Structs</h2>{''.join(structs)}",
    )


def _operation(name: str, one: Json) -> str:
    parameters = "".join(
        f"<tr><td><code>{escape(parameter['name'])}</code><td>{parameter['in']}<td>{_kind(parameter['schema'])}"
        for parameter in one.get("parameters", [])
    )
    takes = "".join(f"<p>takes {_media(kind)}" for kind in one.get("requestBody", {}).get("content", {}).values())
    gives = "".join(
        f"<p>gives {status}: {_media(kind) or escape(media)}"
        for status, answer in one["responses"].items() if status.startswith("2")
        for media, kind in answer["content"].items()
    )  # fmt: skip
    return f"<h2><code>{escape(name)}</code></h2><p>{escape(one['summary'])}<table>{parameters}</table>{takes}{gives}"


def _media(content: Json) -> str:
    return _kind(content["schema"]) if "schema" in content else ""


def _fields(struct: Json) -> str:
    needed = struct.get("required", [])
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code><td>{'required' if name in needed else ''}<td>{_kind(field)}"
        for name, field in struct.get("properties", {}).items()
    )
    return f"<table>{rows}</table>"


def _kind(schema: Json) -> str:
    """Give a schema in words: the name of a struct as a link, all else as JSON."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[1])
        return f"<a href='#{name}'>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if schema.get("type") == "array" and "$ref" in schema["items"]:
        return f"array of {_kind(schema['items'])}"
    said = {name: value for name, value in schema.items() if name != "description"}
    return f"<code>{escape(msgspec.json.encode(said).decode())}</code> {escape(schema.get('description', ''))}"
