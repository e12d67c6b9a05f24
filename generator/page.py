"""Writes the published description as one HTML page that needs neither scripts nor other files."""

import json
from html import escape
from typing import Any

from generator.documents import DESCRIPTION, TITLE
from generator.spec import Json

METHODS = ("get", "put", "post", "delete", "patch")
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1b1b; background: #fff }
h1, h2, h3 { line-height: 1.2 } h2 { margin-top: 3rem } nav { columns: 18rem }
code, pre { font: 14px/1.4 ui-monospace, monospace } pre { background: #f3f3f3; padding: .6rem;
  overflow-x: auto } details { border-top: 1px solid #ddd; padding: .4rem 0 }
summary { cursor: pointer } .method { display: inline-block; min-width: 4rem; font-weight: bold }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; vertical-align: top;
  padding: .2rem .6rem .2rem 0; border-bottom: 1px solid #eee } a { color: #0b57d0 }
@media (prefers-color-scheme: dark) { body { color: #e6e6e6; background: #161616 }
  pre { background: #242424 } details, td, th { border-color: #333 } a { color: #8ab4f8 } }
"""


def page(document: Json) -> str:
    """The whole page."""
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{TITLE} API</title><style>{STYLE}</style></head><body>",
            f"<h1>{TITLE} API</h1><p>{escape(DESCRIPTION)}</p>",
            '<p>The same as <a href="/openapi.yaml">OpenAPI 3.1</a>.</p>',
            _contents(document),
            *(_topic(document, tag["name"]) for tag in document["tags"]),
            "<h2 id='schemas'>Schemas</h2>",
            *(_schema(name, node) for name, node in document["components"]["schemas"].items()),
            "</body></html>\n",
        ]
    )


def _anchor(tag: str) -> str:
    return "-".join(tag.lower().replace(":", "").split())


def _contents(document: Json) -> str:
    links = [f'<a href="#{_anchor(t["name"])}">{escape(t["name"])}</a>' for t in document["tags"]]
    links.append('<a href="#schemas">Schemas</a>')
    return f"<nav>{'<br>'.join(links)}</nav>"


def _topic(document: Json, tag: str) -> str:
    found = [
        _operation(path, method, item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item and tag in item[method]["tags"]
    ]
    return f'<h2 id="{_anchor(tag)}">{escape(tag)}</h2>\n' + "\n".join(found)


def _operation(path: str, method: str, node: Json) -> str:
    parts = [
        f'<details id="{node["operationId"]}"><summary>',
        f'<span class="method">{method.upper()}</span>',
        f"<code>{escape(path)}</code> {escape(node['summary'])}</summary>",
        f"<p>{escape(node.get('description', ''))}</p><p>{_facts(node)}</p>",
        _parameters(node.get("parameters", [])),
    ]
    if "requestBody" in node:
        parts += ["<h3>Body</h3>", _content(node["requestBody"])]
    for status, response in node["responses"].items():
        parts.append(f"<h3>{status} <small>{escape(response['description'])}</small></h3>")
        parts.append(_content(response))
    return "\n".join([*parts, "</details>"])


def _facts(node: Json) -> str:
    schemes = [" or ".join(one) or "nobody" for one in node.get("security", [])]
    facts = [f"Credentials: {', '.join(schemes) or 'none'}."]
    if node.get("x-guests"):
        facts.append("Open to guests.")
    if "x-rate-limit" in node:
        facts.append(f"Limited by {node['x-rate-limit']}.")
    if "externalDocs" in node:
        facts.append(f'<a href="{escape(node["externalDocs"]["url"])}">Matrix specification</a>.')
    return " ".join(facts)


def _parameters(nodes: list[Json]) -> str:
    if not nodes:
        return ""
    rows = [
        _row(f"{one['name']} ({one['in']})", one["schema"], one.get("required"), one["description"])
        for one in nodes
    ]
    return f"<h3>Parameters</h3><table>{''.join(rows)}</table>"


def _row(name: str, schema: Json, required: Any, description: str) -> str:
    mark = " *" if required else ""
    words = escape(description or schema.get("description", ""))
    return f"<tr><td><code>{escape(name)}</code>{mark}<td>{_type(schema)}<td>{words}"


def _type(schema: Json) -> str:
    """A schema in a few words, with a link where it has a name."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#schema-{name}">{name}</a>'
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            between = " and " if word == "allOf" else " or "
            return between.join(_type(one) for one in schema[word])
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    kinds = schema.get("type", "anything")
    kind = " or ".join(kinds) if isinstance(kinds, list) else kinds
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map to {_type(schema['additionalProperties'])}"
    limits = [
        f"{word} {schema[word]}" for word in ("minimum", "maximum", "maxLength") if word in schema
    ]
    return f"{kind} ({', '.join(limits)})" if limits else str(kind)


def _content(node: Json) -> str:
    parts = []
    for media, content in node.get("content", {}).items():
        schema = content.get("schema", {})
        parts.append(f"<p><code>{escape(media)}</code>: {_type(schema)}</p>{_errors(schema)}")
        if "example" in content:
            example = content["example"]
            text = example if isinstance(example, str) else json.dumps(example, indent=2)
            parts.append(f"<pre>{escape(text)}</pre>")
    return "\n".join(parts)


def _errors(schema: Json) -> str:
    """The meanings of the errcodes in a schema, as a list."""
    schemas = [schema, *schema.get("anyOf", [])]
    found = [
        one["properties"]["errcode"] for one in schemas if "errcode" in one.get("properties", {})
    ]
    lines = [line for one in found for line in one.get("description", "").split("\n")]
    items = "".join(f"<li>{escape(line.removeprefix('- '))}" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _schema(name: str, node: Json) -> str:
    required = node.get("required", [])
    rows = [
        _row(field, one, field in required, one.get("description", ""))
        for field, one in node.get("properties", {}).items()
    ]
    body = f"<table>{''.join(rows)}</table>" if rows else f"<p>{_type(node)}</p>"
    return (
        f'<details id="schema-{name}"><summary><code>{name}</code>'
        f" {escape(node.get('description', ''))}</summary>{body}</details>"
    )
