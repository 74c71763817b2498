"""Holds live answers against the OpenAPI document that Guardian serves.

    document = Document(json)
    document.check("GET", "/realms?limit=1", 200, "application/json", answer)   # raises Mismatch
"""
import re

# Whom the table lets in, where docs/api.md says what the route itself decides.
DECIDED_LATER = {("POST", "/realms"): "user", ("DELETE", "/orgs/{}/members/{}"): "member",
                 ("DELETE", "/teams/{}/members/{}"): "member", ("GET", "/metrics"): "metrics"}


def told_of(text):
    """{(method, path with {} for ids): who may call it} of the rows of docs/api.md, which people wrote: of
    "GET, POST `/a/{id}` | member; admin", or "POST `/a/b`, `/c`" for /a/b and /a/c."""
    told = {}
    for row, who in re.findall(r"^\| ([A-Z].*?) \| (.*?) \| ", text, re.M):
        methods, last, rows = [], "", []
        for comma, method, path in re.findall(r"(?:^|(, )|\s)(?:([A-Z]+)|`(/[^`?]*)[^`]*`)", row):
            if method:
                methods = [*methods, method] if methods and not last else [method]
                last = ""
            else:
                last = last.rsplit("/", 1)[0] + path if comma and last else path
                rows += [(m, re.sub(r"{\w+}", "{}", last)) for m in methods]
        roles = [re.match(r"\w+", part)[0] for part in who.split("; ")]
        # A role for each method; the last one is that of the others, too.
        told.update({key: roles[min(i, len(roles) - 1)] for i, key in enumerate(rows)})
    return told


class Mismatch(Exception):
    pass


class Document:
    def __init__(self, document):
        self.schemas = document["components"]["schemas"]
        self.operations = []  # (method, pattern, path, operation)
        for path, methods in document["paths"].items():
            pattern = re.compile(re.sub(r"\\{[a-z]+\\}", "[A-Za-z0-9_-]{22}", re.escape(path)) + r"\Z")
            for method, operation in methods.items():
                self.operations.append((method.upper(), pattern, path, operation))
        self.operations.sort(key=lambda o: "{" in o[2])  # literal paths first

    def find(self, method, path):
        for m, pattern, template, operation in self.operations:
            if m == method and pattern.match(path.split("?")[0]):
                return template, operation
        return None, None

    def check(self, method, path, status, media_type, body):
        template, operation = self.find(method, path)
        if status >= 400:
            if media_type != "application/problem+json":
                raise Mismatch(f"{method} {path}: {status} came as {media_type}")
            self.validate({"$ref": "#/components/schemas/Problem"}, body, f"{method} {path} {status}")
            return
        if operation is None:
            raise Mismatch(f"{method} {path} answers {status}, and the document does not know it")
        answer = operation["responses"].get(str(status))
        if answer is None:
            raise Mismatch(f"{method} {template} answers {status}; the document says {list(operation['responses'])}")
        if "content" not in answer:
            if body is not None:
                raise Mismatch(f"{method} {template} has a body, and the document none")
            return
        if media_type not in answer["content"]:
            raise Mismatch(f"{method} {template} came as {media_type}")
        self.validate(answer["content"][media_type]["schema"], body, f"{method} {template}")

    def validate(self, schema, value, where):
        """The keywords that the document uses; any other is an error."""
        for keyword, argument in schema.items():
            getattr(self, "is_" + keyword.strip("$").lower())(argument, value, where, schema)

    def is_ref(self, ref, value, where, _):
        self.validate(self.schemas[ref.rsplit("/", 1)[1]], value, where)

    def is_type(self, kind, value, where, _):
        kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}
        if not isinstance(value, kinds[kind]) or (kind == "integer" and isinstance(value, bool)):
            raise Mismatch(f"{where}: {value!r} is no {kind}")

    def is_properties(self, properties, value, where, schema):
        for name, member in value.items():
            if name in properties:
                self.validate(properties[name], member, f"{where}.{name}")
            elif not schema["additionalProperties"]:
                raise Mismatch(f"{where}: unknown member {name}")

    def is_additionalproperties(self, *_):
        pass

    def is_required(self, names, value, where, _):
        for name in names:
            if name not in value:
                raise Mismatch(f"{where}: no member {name}")

    def is_items(self, item, value, where, _):
        for i, v in enumerate(value):
            self.validate(item, v, f"{where}[{i}]")

    def is_enum(self, values, value, where, _):
        if value not in values:
            raise Mismatch(f"{where}: {value!r} is none of {values}")

    def is_const(self, constant, value, where, _):
        if value != constant:
            raise Mismatch(f"{where}: {value!r} is not {constant!r}")

    def is_minimum(self, least, value, where, _):
        if value < least:
            raise Mismatch(f"{where}: {value} is below {least}")

    def is_oneof(self, schemas, value, where, _):
        fits = 0
        for s in schemas:
            try:
                self.validate(s, value, where)
                fits += 1
            except Mismatch:
                pass
        if fits != 1:
            raise Mismatch(f"{where}: {value!r} fits {fits} of {schemas}")
