"""Writes what stands after the models of a file: request records, Protocol, clients."""

import re
import textwrap
from dataclasses import dataclass

from generator.hints import Hints
from generator.names import pascal
from generator.schemas import Schemas, json_schema
from generator.spec import CALLED, SERVED, Json, Operation, Parameter


@dataclass(slots=True)
class StubWriter:
    """Writes, after the models of a file, its request records, its Protocol and its clients."""

    schemas: Schemas
    hints: Hints
    operations: list[Operation]

    def text(self) -> str:
        """The source; empty for a file without operations."""
        if not self.operations:
            return ""
        parts = [self._record(operation) for operation in self.operations]
        api = self.operations[0].api
        if api in SERVED:
            parts.append(self._protocol())
        if api in CALLED:
            parts += [self._client(operation) for operation in self.operations]
        return "\n\n".join(parts)

    def _record(self, operation: Operation) -> str:
        self.hints.use("dataclasses", "dataclass")
        fields = [self._field(parameter) for parameter in operation.parameters]
        body = self.body(operation)
        if body is not None:
            fields.append(f"    body: {body}")
        head = f"@dataclass(frozen=True, slots=True, kw_only=True)\nclass {operation.record}:\n"
        title = f'    """{operation.method.upper()} {operation.path}"""\n\n'
        return head + title + "\n".join(fields)

    def _field(self, parameter: Parameter) -> str:
        hint = self.hints.of(parameter.file, parameter.schema)
        if parameter.required:
            return f"    {parameter.field}: {hint}"
        _, schema = self.schemas.spec.resolve(parameter.file, parameter.schema)
        default = schema.get("default")
        if default is None:
            return f"    {parameter.field}: {hint} | None = None"
        return f"    {parameter.field}: {hint} = {default!r}"

    def body(self, operation: Operation) -> str | None:
        """The annotation of the body, None where there is none."""
        request = operation.node.get("requestBody")
        if request is None:
            return None
        schema = json_schema(request)
        if schema is None:
            return self.hints.use("chat_api.base", "Stream")
        return self.hints.of(operation.file, schema)

    def check(self, operation: Operation) -> str | None:
        """The class of the fields to check in a body that is an open object or holds some."""
        schema = json_schema(operation.node.get("requestBody", {}))
        return None if schema is None else self.open_check(operation, schema)

    def open_check(self, operation: Operation, schema: Json) -> str | None:
        """The annotation by which to check an open value, None where nothing is to be checked."""
        plain = Hints(self.schemas, operation.file).of(operation.file, schema)
        if plain == Hints(self.schemas, operation.file).of(operation.file, schema, fields=True):
            return None
        return self.hints.of(operation.file, schema, fields=True)

    def answer(self, operation: Operation) -> str:
        """The annotation of what the handler returns."""
        found: list[str] = []
        for status, response in operation.node["responses"].items():
            if status[0] not in "23":
                continue
            _, node = self.schemas.spec.resolve(operation.file, response)
            schema = json_schema(node)
            if schema is None:
                found.append(self.hints.use("chat_api.base", "RawResponse"))
            else:
                found.append(self.hints.of(operation.file, schema))
        return " | ".join(dict.fromkeys(found))

    def _protocol(self) -> str:
        self.hints.use("typing", "Protocol")
        self.hints.use("chat_api.base", "Ctx")
        name = f"{pascal(self.operations[0].stem)}Handlers"
        methods = [self._method(operation) for operation in self.operations]
        return f"class {name}(Protocol[Ctx]):\n" + "\n\n".join(methods)

    def _method(self, operation: Operation) -> str:
        head = f"    def {operation.function}(self, ctx: Ctx, request: {operation.record}, /)"
        indent = " " * 8
        lines = []
        errors = self._errors(operation)
        if errors:
            lines += textwrap.wrap(f"Refusals: {errors}.", 88)
        link = operation.node.get("externalDocs", {}).get("url")
        if link:
            lines.append(f"Spec: {re.sub(r'^https://spec.matrix.org/v[0-9.]+/', '', link)}")
        rest = "".join(f"\n{indent}{line}" for line in lines)
        doc = f"{operation.node['summary']}." + (f"\n{rest}\n{indent}" if rest else "")
        return f'{head} -> {self.answer(operation)}:\n{indent}"""{doc}"""\n{indent}...'

    def _errors(self, operation: Operation) -> str:
        found = []
        for status, response in operation.node["responses"].items():
            _, node = self.schemas.spec.resolve(operation.file, response)
            codes = " or ".join(node.get("x-errors", {}))
            if codes:
                found.append(f"{status} {codes}")
        return ", ".join(found)

    def _client(self, operation: Operation) -> str:
        return "\n\n".join(
            part for part in (self._call(operation), self._decoder(operation)) if part
        )

    def _call(self, operation: Operation) -> str:
        use = self.hints.use
        arguments = [f"method={operation.method.upper()!r}", f"path={self._path(operation)}"]
        for place in ("query", "header"):
            named = [p for p in operation.parameters if p.place == place]
            if named:
                word = "query" if place == "query" else "headers"
                pairs = ", ".join(f"{p.name!r}: request.{p.field}" for p in named)
                arguments.append(f"{word}={use('chat_api.base', 'pairs')}({{{pairs}}})")
        if json_schema(operation.node.get("requestBody", {})) is not None:
            arguments.append(f"body={use('msgspec', 'to_builtins')}(request.body)")
        used = "request" if operation.parameters or len(arguments) > 2 else "_request"
        return (
            f"def {operation.function}({used}: {operation.record})"
            f" -> {use('chat_api.base', 'OutgoingRequest')}:\n"
            f'    """{operation.node["summary"]}."""\n'
            f"    return OutgoingRequest({', '.join(arguments)})"
        )

    def _path(self, operation: Operation) -> str:
        named = {p.name: p.field for p in operation.parameters if p.place == "path"}
        if not named:
            return repr(operation.path)
        self.hints.use("chat_api.base", "quoted")
        written = re.sub(
            r"\{(\w+)\}", lambda found: f"{{quoted(request.{named[found[1]]})}}", operation.path
        )
        return f'f"{written}"'

    def _decoder(self, operation: Operation) -> str:
        answers = self.schemas.json_answers(operation)
        if not answers:
            return ""
        schema = answers[0][1]
        hint = self.hints.of(operation.file, schema)
        self.hints.use("msgspec", "json")
        lines = [
            f"def decode_{operation.function}(body: bytes) -> {hint}:",
            '    """The answer. Raises msgspec.DecodeError or UnicodeDecodeError."""',
        ]
        check = self.open_check(operation, schema)
        if check is None:
            return "\n".join([*lines, f"    return json.decode(body, type={hint})"])
        self.hints.use("msgspec", "convert")
        lines += [
            f"    answer = json.decode(body, type={hint})",
            f"    convert(answer, {check})",
            "    return answer",
        ]
        return "\n".join(lines)
