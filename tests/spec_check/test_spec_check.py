"""Each rule of spec_check refuses a small bad spec, and a good one passes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import spec_check
import yaml

REMOVED = object()
FILE = "demo/things.yaml"
OPERATION = (FILE, "paths", "/things/{thingId}", "put")
BODY = (*OPERATION, "requestBody", "content", "application/json")
ANSWER = (*OPERATION, "responses", "200", "content", "application/json")
SCHEMAS = (FILE, "components", "schemas")
SHARED = "common/schemas.yaml"

GOOD = yaml.safe_load("""
common/schemas.yaml:
  Empty: {type: object, description: An object without any field., properties: {}}
common/parameters.yaml:
  ThingId:
    name: thingId
    in: path
    required: true
    description: The thing.
    schema: {type: string, maxLength: 255}
    example: kettle
common/responses.yaml:
  Gone:
    description: The thing is gone.
    x-errors: {M_NOT_FOUND: Somebody took it away.}
demo/things.yaml:
  openapi: 3.1.0
  info: {title: Things, version: "1"}
  paths:
    /things/{thingId}:
      put:
        operationId: setThing
        description: >-
          Sets a thing to what the caller says it is, and then answers with nothing at all, so
          that this description is long enough.
        parameters:
          - $ref: ../common/parameters.yaml#/ThingId
          - {name: size, in: query, description: How large., schema: {type: integer}, example: 3}
        requestBody:
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Thing"}
              example: {name: Kettle, parts: [{name: Lid}], tags: {colour: red}}
        responses:
          "200":
            description: The thing is set.
            content:
              application/json:
                schema: {$ref: ../common/schemas.yaml#/Empty}
                example: {}
          "403":
            description: The thing is not yours.
            x-errors: {M_FORBIDDEN: Somebody else has it.}
          "404": {$ref: ../common/responses.yaml#/Gone}
  components:
    schemas:
      Thing:
        type: object
        description: A thing, which may have things as parts.
        required: [name]
        properties:
          name: {type: string, maxLength: 255, description: What it is called.}
          parts:
            type: array
            description: What it is made of.
            items: {$ref: "#/components/schemas/Thing"}
          nothing: {$ref: ../common/schemas.yaml#/Empty}
          tags:
            type: object
            description: What else there is to say.
            additionalProperties: {type: string}
extra/legacy_paths.yaml:
  x-aliases: {"/old/{thingId}": "/things/{thingId}"}
""")


def write(root: Path, files: dict[str, Any]) -> Path:
    for name, document in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(yaml.safe_dump(document))
    return root


def edited(keys: tuple[str, ...], value: object) -> dict[str, Any]:
    """The good spec with one value set, or removed."""
    files: dict[str, Any] = copy.deepcopy(GOOD)
    *way, last = keys
    node = files
    for key in way:
        node = node[key]
    if value is REMOVED:
        del node[last]
    else:
        node[last] = copy.deepcopy(value)
    return files


def lines(root: Path) -> list[str]:
    return [str(problem) for problem in spec_check.check(spec_check.load_spec(root))]


def test_good_spec_has_no_problem(tmp_path: Path) -> None:
    assert lines(write(tmp_path, GOOD)) == []


AT = f"{FILE}: paths./things/{{thingId}}.put"
OTHER = {**GOOD[FILE]["paths"]["/things/{thingId}"]["put"], "operationId": "setOther"}
WORDS = "These are exactly fifteen words, of which no other operation has made use so far."


@pytest.mark.parametrize(
    ("keys", "value", "expected"),
    [
        pytest.param(
            (*SCHEMAS, "Thing", "properties", "name"),
            {"description": "What it is called."},
            f"{FILE}: components.schemas.Thing.properties.name: "
            "schema without type, $ref, oneOf, anyOf or allOf",
            id="untyped schema",
        ),
        pytest.param(
            (*OPERATION, "parameters"),
            [GOOD[FILE]["paths"]["/things/{thingId}"]["put"]["parameters"][0], {"schema": {}}],
            f"{AT}.parameters.1.schema: schema without type, $ref, oneOf, anyOf or allOf",
            id="untyped parameter",
        ),
        pytest.param(
            (SHARED, "Loose"),
            {"oneOf": [{"type": "string"}, {"maxLength": 3}]},
            f"{SHARED}: Loose.oneOf.1: schema without type, $ref, oneOf, anyOf or allOf",
            id="untyped alternative",
        ),
        pytest.param(
            (*SCHEMAS, "Thing", "properties", "tags", "additionalProperties"),
            True,
            f"{FILE}: components.schemas.Thing.properties.tags: "
            "object without properties, additionalProperties schema or x-open",
            id="closed object",
        ),
        pytest.param(
            (SHARED, "Loose"),
            {"type": ["object", "null"], "description": "Anything."},
            f"{SHARED}: Loose: object without properties, additionalProperties schema or x-open",
            id="closed object or null",
        ),
        pytest.param(
            (*SCHEMAS, "Thing", "properties", "parts", "items"),
            {"type": "object", "properties": {"name": {"type": "string", "description": "Name."}}},
            f"{FILE}: components.schemas.Thing.properties.parts.items: "
            "anonymous object with properties: name it under components.schemas",
            id="anonymous object inside a schema",
        ),
        pytest.param(
            (*ANSWER, "schema"),
            {"type": "object", "properties": {}},
            f"{AT}.responses.200.content.application/json.schema: "
            "anonymous object with properties: name it under components.schemas",
            id="anonymous body",
        ),
        pytest.param(
            (*SCHEMAS, "Thing", "properties", "name", "description"),
            REMOVED,
            f"{FILE}: components.schemas.Thing.properties.name: property without description",
            id="property without description",
        ),
        pytest.param(
            (SHARED, "Empty", "description"),
            REMOVED,
            f"{FILE}: components.schemas.Thing.properties.nothing: property without description",
            id="property whose target has no description",
        ),
        pytest.param(
            (*SCHEMAS, "Thing", "properties", "name", "pattern"),
            "^[A-Za-z]+$",
            f"{FILE}: components.schemas.Thing.properties.name: pattern on a request field",
            id="pattern in a body",
        ),
        pytest.param(
            ("common/parameters.yaml", "ThingId", "schema", "format"),
            "uuid",
            "common/parameters.yaml: ThingId.schema: format on a request field",
            id="format of a parameter",
        ),
        pytest.param(
            (*OPERATION, "description"),
            WORDS.removeprefix("These "),
            f"{AT}: description of 14 words, 15 are the fewest",
            id="short description",
        ),
        pytest.param(
            (*OPERATION, "description"),
            REMOVED,
            f"{AT}: description of 0 words, 15 are the fewest",
            id="no description",
        ),
        pytest.param(
            (FILE, "paths", "/things/{thingId}", "post"),
            OTHER,
            f"{FILE}: paths./things/{{thingId}}.post: "
            f"same description as {FILE} /things/{{thingId}}.put",
            id="same description",
        ),
        pytest.param(
            (FILE, "paths", "/things/{thingId}", "post"),
            {**OTHER, "operationId": "setThing", "description": WORDS},
            f"{FILE}: paths./things/{{thingId}}.post: operationId setThing stands in {FILE} too",
            id="same operationId",
        ),
        pytest.param(
            (*OPERATION, "operationId"), REMOVED, f"{AT}: without operationId", id="no operationId"
        ),
        pytest.param(
            (*OPERATION, "responses", "403", "x-errors"),
            REMOVED,
            f"{AT}.responses.403: error response without errcodes (x-errors)",
            id="error without errcodes",
        ),
        pytest.param(
            ("common/responses.yaml", "Gone", "x-errors"),
            REMOVED,
            f"{AT}.responses.404: error response without errcodes (x-errors)",
            id="shared error without errcodes",
        ),
        pytest.param(
            (*OPERATION, "responses", "default"),
            {"description": "Whatever else."},
            f"{AT}: default response",
            id="default response",
        ),
        pytest.param(
            (*BODY, "example"),
            REMOVED,
            f"{AT}.requestBody.content.application/json: without an example",
            id="request without example",
        ),
        pytest.param(
            (*ANSWER, "example"),
            REMOVED,
            f"{AT}.responses.200.content.application/json: without an example",
            id="answer without example",
        ),
        pytest.param(
            (*BODY, "example"),
            {"name": "Kettle", "parts": [{"name": 3}]},
            f"{AT}.requestBody.content.application/json: "
            "example does not validate at $.parts[0].name: 3 is not of type 'string'",
            id="wrong example of a request",
        ),
        pytest.param(
            ("common/parameters.yaml", "ThingId", "example"),
            7,
            "common/parameters.yaml: ThingId: "
            "example does not validate at $: 7 is not of type 'string'",
            id="wrong example of a parameter",
        ),
        pytest.param(
            (*ANSWER, "schema", "$ref"),
            "../common/schemas.yaml#/Nothing",
            f"{AT}.responses.200.content.application/json.schema: "
            "$ref ../common/schemas.yaml#/Nothing leads nowhere",
            id="broken reference",
        ),
        pytest.param(
            (SHARED, "Circle"),
            {"$ref": "#/Circle"},
            f"{SHARED}: Circle: $ref #/Circle leads back to itself",
            id="circular reference",
        ),
        pytest.param(
            ("demo/others.yaml",),
            {"components": {"schemas": {"Thing": {"type": "string"}}}},
            f"{FILE}: components.schemas.Thing: schema Thing stands in demo/others.yaml too",
            id="same schema name",
        ),
        pytest.param(
            ("extra/legacy_paths.yaml", "x-aliases"),
            {"/old/{thingId}": "/thing/{thingId}"},
            "extra/legacy_paths.yaml: x-aliases: "
            "/old/{thingId}: its target /thing/{thingId} does not exist",
            id="alias of nothing",
        ),
        pytest.param(
            ("extra/legacy_paths.yaml", "x-aliases"),
            {"/old/{id}": "/things/{thingId}"},
            "extra/legacy_paths.yaml: x-aliases: "
            "/old/{id}: its parameters differ from those of /things/{thingId}",
            id="alias with other parameters",
        ),
    ],
)
def test_bad_spec_is_refused(
    tmp_path: Path, keys: tuple[str, ...], value: object, expected: str
) -> None:
    assert lines(write(tmp_path, edited(keys, value))) == [expected]


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        pytest.param(
            (*OPERATION, "responses", "403"),
            {
                "description": "Not yours.",
                "content": {"application/json": {"schema": {"$ref": f"../{SHARED}#/Refusal"}}},
            },
            id="errcodes by enum",
        ),
        pytest.param(
            (*SCHEMAS, "Only"),
            {"type": "string", "pattern": "^a", "format": "uri"},
            id="pattern outside of requests",
        ),
        pytest.param(
            ("other/things.yaml",),
            {"components": {"schemas": {"Thing": {"type": "string"}}}},
            id="same schema name in another API",
        ),
        pytest.param(
            (*SCHEMAS, "Wide"),
            {"type": "object", "x-open": "anybody adds to it", "description": "Anything."},
            id="open object",
        ),
    ],
)
def test_lawful_spec_passes(tmp_path: Path, keys: tuple[str, ...], value: object) -> None:
    files = edited(keys, value)
    errcode = {"type": "string", "enum": ["M_FORBIDDEN"], "description": "Always M_FORBIDDEN."}
    files[SHARED]["Refusal"] = {
        "type": "object",
        "description": "A refusal.",
        "required": ["errcode"],
        "properties": {"errcode": errcode},
    }
    assert lines(write(tmp_path, files)) == []


def test_main_prints_problems_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write(tmp_path, edited((*OPERATION, "operationId"), REMOVED))
    assert spec_check.main([str(root)]) == 1
    assert capsys.readouterr().out == f"{AT}: without operationId\n1 operations, 1 problems\n"


def test_main_is_content_with_a_good_spec(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert spec_check.main([str(write(tmp_path, GOOD))]) == 0
    assert capsys.readouterr().out == "1 operations, 0 problems\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "bad.yaml: file: while parsing a flow node"),
        ("- a", "bad.yaml: file: not a mapping"),
        (
            "a:\n  b: 1\n  b: 2\n",
            "bad.yaml: file: a key stands twice in the mapping that begins in line 2",
        ),
    ],
)
def test_main_names_an_unreadable_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, expected: str
) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    assert spec_check.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith(expected)
