"""The API's description: what it says is what the services do."""

import glob
import os
import re
import unittest

from system import HostCase, ROOT, token

METHODS = ("get", "put", "post", "delete", "patch")


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def references(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def boundary_values(schema):
    """(value, whether it is taken), as the schema says."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    yield None, "null" in kinds
    if "enum" in schema:
        for word in schema["enum"]:
            yield word, True
        yield "no such word", False
    elif "maxLength" in schema and "format" not in schema:
        yield "x" * schema["maxLength"], True
        yield "ä" * schema["maxLength"], True
        yield "x" * (schema["maxLength"] + 1), False
        yield "x" * schema.get("minLength", 0), True
        if schema.get("minLength"):
            yield "x" * (schema["minLength"] - 1), False
    elif "integer" in kinds:
        yield schema["minimum"], True
        yield schema["minimum"] - 1, False
        yield schema["maximum"], True
        yield schema["maximum"] + 1, False
    elif "array" in kinds:
        yield [str(n) for n in range(schema["maxItems"])], True
        yield [str(n) for n in range(schema["maxItems"] + 1)], False
    for example in schema.get("examples", []):
        yield example, True
    for wrong in ({}, True, 1.5, [["x"]]):
        yield wrong, False
    if "pattern" in schema:
        for text in ("a\x01b", "a\x7f", "a\x0bb", "tab\there", "line\nhere", " ", "", " x ", "\u2028"):
            long_enough = schema.get("minLength", 0) <= len(text)
            yield text, bool(long_enough and re.search(schema["pattern"], text))


class Descriptions(HostCase):
    services = ("--all",)
    env = {"USER_RATE": "1000000"}    # a fast machine asks more than that of others

    def document(self, service="chat-api"):
        reply = self.host.get("/openapi.json", token=None, port=self.host.port_of(service))
        self.assertEqual((reply.status, reply.headers["content-type"]), (200, "application/json"))
        return reply.json

    def all_documents(self):
        return {name: self.document(name) for name in self.host.ports_by_name() if name != "sidecar"}

    def test_every_route_is_described(self):
        for service, document in self.all_documents().items():
            self.assertEqual(document["openapi"], "3.1.0")
            groups, seen = {tag["name"] for tag in document["tags"]}, set()
            for method, path, operation in operations(document):
                with self.subTest(service=service, route=f"{method} {path}"):
                    self.assertIn(method, METHODS)
                    self.assertNotIn("x-undocumented", operation, "the route needs a doc (scripts/README.md)")
                    self.assertTrue(operation["summary"] and operation["responses"])
                    self.assertIn(operation["tags"][0], groups)
                    self.assertNotIn(operation["operationId"], seen)
                    seen.add(operation["operationId"])
                    in_path = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
                    self.assertEqual(in_path, set(re.findall("{(.*?)}", path)))

    def test_only_files_of_a_page_go_without(self):
        for file in glob.glob(os.path.join(ROOT, "scripts", "*", "*.lua")):
            with open(file) as source:
                for line in re.findall(r"\{ \"[A-Z]+\", \"/[^}]*?doc = false", source.read(), re.S):
                    self.assertRegex(line, r'^\{ "GET", .*static\.', file)

    def test_every_reference_leads_somewhere(self):
        for document in self.all_documents().values():
            for reference in references(document):
                value = document
                for part in reference.removeprefix("#/").split("/"):
                    value = value[part]

    def test_what_needs_a_token_says_so(self):
        for service, document in self.all_documents().items():
            for method, path, operation in operations(document):
                filled = path.replace("{id}", "00000000-0000-4000-8000-000000000000").replace("{user_id}", "ann")
                if "{" in filled:
                    filled = re.sub("{.*?}", "x", filled)
                reply = self.host.call(method.upper(), filled, token=None, port=self.host.port_of(service))
                with self.subTest(service=service, route=f"{method} {path}"):
                    self.assertEqual(reply.status == 401, bool(operation["security"]), reply.body)

    def test_a_task_has_the_keys_that_its_schema_has_in_the_same_order(self):
        schema = self.document()["components"]["schemas"]["Task"]
        task = self.create()
        self.assertEqual(list(task), list(schema["properties"]))
        self.assertEqual(schema["required"], list(task))

    def test_what_a_schema_allows_is_taken_and_nothing_else(self):
        schemas = self.document()["components"]["schemas"]
        for name, schema in schemas["TaskChange"]["properties"].items():
            for value, taken in boundary_values(schema):
                task = self.create(title="bounds", due_date="2035-01-01T00:00:00Z")
                reply = self.host.call("PUT", "/api/tasks/" + task["id"], {name: value})
                with self.subTest(field=name, value=value):
                    self.assertEqual(reply.status, 200 if taken else 422, reply.body)
                    if not taken:
                        self.assertIn("tag" if name == "tags" else name, reply.json["detail"])

    def test_tags_are_as_long_as_their_pattern_says(self):
        pattern = re.compile(self.document()["components"]["schemas"]["NewTask"]["properties"]["tags"]["items"]["pattern"])
        for tag in ("x" * 50, "x" * 51, " " + "x" * 50 + "\t", "ä" * 50, "ä" * 51, "", "  ", "a b", "a\x01", "\ta\r", "a\rb", "a\nb"):
            reply = self.host.post("/api/tasks", {"title": "tagged", "tags": [tag]})
            with self.subTest(tag=tag):
                self.assertEqual(reply.status, 201 if pattern.search(tag) else 422, reply.body)

    def test_what_a_query_allows_is_taken_and_nothing_else(self):
        feed = self.host.post("/api/calendar").json["url"].rsplit("/", 1)[1]
        wrong = {"boolean": ["maybe", "1", ""], "integer": ["-1", "x", "1.5", ""]}
        formats = {"date-time": ["tomorrow", "2030-01-01"], "uuid": ["x"], "cursor": ["x"]}
        for service, document in self.all_documents().items():
            for method, path, operation in operations(document):
                for parameter in operation.get("parameters", []):
                    if parameter["in"] != "query" or method != "get" or "{id}" in path or path == "/api/events":
                        continue
                    schema = parameter["schema"]
                    values = [(word, 200) for word in schema.get("enum", schema.get("examples", []))]
                    values += [(value, 422) for value in wrong.get(schema["type"], []) + formats.get(schema.get("format"), [])]
                    values += [(str(schema["minimum"]), 200), (str(schema["minimum"] - 1), 422)] if "minimum" in schema else []
                    values += [("no such word", 422)] if "enum" in schema else []
                    values += [(str(schema["default"]), 200)] if "default" in schema else []
                    for value, status in values:
                        reply = self.host.get(f"{path.replace('{user_id}', 'ann').replace('{name}', feed)}?{parameter['name']}={value.replace(' ', '%20')}",
                                              port=self.host.port_of(service))
                        with self.subTest(route=path, parameter=parameter["name"], value=value):
                            self.assertEqual(reply.status, status, reply.body)

    def test_the_page_of_the_description_needs_nothing_from_elsewhere(self):
        for service in self.all_documents():
            for path, kind in (("/docs", "text/html"), ("/docs.js", "text/javascript"), ("/docs.css", "text/css")):
                reply = self.host.get(path, token=None, port=self.host.port_of(service))
                self.assertEqual(reply.status, 200, (service, path))
                self.assertTrue(reply.headers["content-type"].startswith(kind))
                if path == "/docs":
                    self.assertIn("default-src 'none'", reply.headers["content-security-policy"])
                text = reply.body.decode()
                self.assertNotRegex(text, r"(src|href)=[\"']?(https?:)?//|@import|url\(\s*[\"']?http| style=| on[a-z]+=\"|<script>")


if __name__ == "__main__":
    unittest.main()
