"""The web page as it is served: which files, with what headers, and what their text must not have."""

import base64
import gzip
import hashlib
import json
import os
import re
import unittest

from system import ROOT, Host

WEB = os.path.join(ROOT, "web")
FIRST_LOAD = 100_000  # bytes that a first visit may need, as if nothing were packed
IMPORT = re.compile(r'^import [^;]*?"\./([\w-]+\.js)";', re.M | re.S)


def files():
    """Paths below web/ with their addresses."""
    for folder, _, names in os.walk(WEB):
        for name in names:
            if name.endswith(".md"):
                continue
            path = os.path.relpath(os.path.join(folder, name), WEB)
            yield path, "/" + re.sub(r"(^|/)index\.html$|\.html$", r"\1", path)


def read(path):
    with open(os.path.join(WEB, path), "rb") as file:
        return file.read()


def imported(module, seen):
    if module not in seen:
        seen.add(module)
        for other in IMPORT.findall(read("app/" + module).decode()):
            imported(other, seen)
    return seen


class Served(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = Host()

    @classmethod
    def tearDownClass(cls):
        cls.host.stop()

    def get(self, path, **headers):
        return self.host.get(path, token=None, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def test_every_file_is_served_as_it_is_and_known_again(self):
        for path, address in files():
            with self.subTest(path):
                reply = self.get(address)
                self.assertEqual(reply.status, 200)
                self.assertEqual(reply.body, read(path))
                self.assertNotEqual(reply.headers["content-type"], "application/octet-stream")
                self.assertEqual(reply.headers["x-content-type-options"], "nosniff")
                self.assertEqual(self.get(address, If_None_Match=reply.headers["etag"]).status, 304)

    def test_who_takes_gzip_gets_the_same_bytes_packed(self):
        plain, packed = self.get("/style.css"), self.get("/style.css", Accept_Encoding="br, gzip;q=0.8")
        self.assertEqual(packed.headers["content-encoding"], "gzip")
        self.assertEqual(gzip.decompress(packed.body), plain.body)
        self.assertLess(len(packed.body), len(plain.body) / 2)
        self.assertNotEqual(packed.headers["etag"], plain.headers["etag"])
        self.assertEqual(packed.headers["vary"], "Accept-Encoding")
        self.assertEqual(self.get("/style.css", Accept_Encoding="gzip", If_None_Match=packed.headers["etag"]).status, 304)

    def test_who_refuses_gzip_gets_it_plain(self):
        for refusal in ("gzip;q=0", "gzip; q=0.0", "identity", "br"):
            self.assertNotIn("content-encoding", self.get("/style.css", Accept_Encoding=refusal).headers, refusal)

    def test_only_files_of_the_folder_are_served(self):
        for path in ("/../README.md", "/..%2fREADME.md", "/app/../../README.md", "/app", "/app/", "/index.html", "/.git/config",
                     "/app/main.js/", "/app/main", "/README.md"):
            self.assertIn(self.get(path).status, (400, 404), path)

    def test_the_policy_allows_nobody_else_and_nothing_inline_but_the_pages_own_script(self):
        policy = self.get("/").headers["content-security-policy"]
        inline = re.findall(r"<script>(.*?)</script>", read("index.html").decode(), re.S)
        hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in inline]
        self.assertEqual(len(hashes), 1)
        self.assertIn(f"script-src 'self' 'sha256-{hashes[0]}';", policy)
        self.assertIn("script-src 'self';", self.get("/docs").headers["content-security-policy"])
        self.assertIn("style-src 'self';", policy)
        self.assertIn("default-src 'none'", policy)
        self.assertIn("frame-ancestors 'none'", policy)
        self.assertIn("connect-src 'self';", policy)
        self.assertNotIn("unsafe", policy)
        self.assertNotIn("http", policy)
        self.assertEqual(self.get("/").headers["referrer-policy"], "no-referrer")
        self.assertIn("content-security-policy", self.get("/sw.js").headers)

    def test_shell_json_names_each_file_with_its_version(self):
        shell = self.get("/shell.json").json
        self.assertEqual(set(shell["files"]), {address for _, address in files()})
        self.assertEqual(shell["files"]["/style.css"], self.get("/style.css").headers["etag"])
        self.assertEqual(self.get("/shell.json").json["version"], shell["version"])

    def test_config_json_asks_for_a_token_where_nothing_is_set(self):
        self.assertEqual(self.get("/config.json").json, {"sign_in": "token", "token_url": None, "sign_in_url": None})


class SignIn(unittest.TestCase):
    def config(self, **env):
        host = Host(env=env)
        self.addCleanup(host.stop)
        return host, host.get("/config.json", token=None).json

    def test_a_provider_is_named_and_may_be_called(self):
        host, config = self.config(AUTH_TOKEN_URL="https://app.example:8443/api/auth/token?a=b", AUTH_SIGN_IN_URL="https://app.example/sign-in")
        self.assertEqual(config, {"sign_in": "provider", "token_url": "https://app.example:8443/api/auth/token?a=b",
                                  "sign_in_url": "https://app.example/sign-in"})
        policy = host.get("/", token=None).headers["content-security-policy"]
        self.assertIn("connect-src 'self' https://app.example:8443;", policy)

    def test_make_run_says_that_its_address_has_a_token(self):
        self.assertEqual(self.config(AUTH_LOCAL="1")[1]["sign_in"], "local")

    def test_a_policy_takes_no_more_of_a_url_than_its_origin(self):
        host, _ = self.config(AUTH_TOKEN_URL="https://app.example;script-src/x")
        policy = host.get("/", token=None).headers["content-security-policy"]
        self.assertIn("connect-src 'self' https://app.example;", policy)
        self.assertEqual(policy.count("script-src"), 1)


class Text(unittest.TestCase):
    """What can be said of the files without a browser."""

    def test_the_page_names_beforehand_what_its_first_module_needs(self):
        page = read("index.html").decode()
        named = set(re.findall(r'rel="modulepreload"[^>]* href="/app/([\w-]+\.js)"', page))
        self.assertEqual(named, imported("main.js", set()))

    def test_the_tasks_are_asked_for_before_any_file(self):
        head = read("index.html").decode().split("</head>")[0]
        script = head.index("<script>")
        self.assertIn('fetch(path', head[script:head.index("</script>")])
        self.assertLess(script, min(head.index("<link"), head.index(" src=")))

    def test_what_comes_after_the_first_view_comes_at_once(self):
        at_once = set(re.findall(r'import\("\./([\w-]+\.js)"\)', read("app/main.js").decode()))
        self.assertIn("run.js", at_once)
        self.assertEqual(imported("run.js", set()) - imported("main.js", set()) - at_once, set())

    def test_a_first_visit_is_small(self):
        page = read("index.html").decode()
        first = {"index.html"} | {path[1:] for path in re.findall(r'(?:href|src)="(/[\w/.-]+\.(?:js|css|svg|webmanifest))"', page)}
        # On a desk; on a phone neither the chat nor the shortcuts come before they are wanted.
        for module in ("run.js", "actions.js", "keys.js", "chat.js", "shell.js"):
            first |= {"app/" + name for name in imported(module, set())}
        first.add("chat.css")
        self.assertLess(sum(len(read(path)) for path in first), FIRST_LOAD, sorted(first))

    def test_what_users_write_is_never_markup(self):
        for path, _ in files():
            if path.endswith(".js"):
                found = re.findall(r"\b(?:inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setHTMLUnsafe", read(path).decode())
                self.assertEqual(found, [], path)

    def test_nothing_is_inline_and_nothing_comes_from_elsewhere(self):
        for path, _ in files():
            text = read(path).decode() if not path.endswith(".png") else ""
            if path.endswith(".html"):
                self.assertEqual(re.findall(r"<style|<script(?![^>]*\ssrc=)(?!>)|\sstyle=|\son\w+=", text), [], path)
            if path.endswith((".html", ".css", ".js")):
                elsewhere = [url for url in re.findall(r"https?://[^\s\"'`)]+", text) if "www.w3.org" not in url]
                self.assertEqual(elsewhere, [], path)

    def test_the_manifest_names_icons_that_are_there(self):
        for icon in json.loads(read("manifest.webmanifest"))["icons"]:
            self.assertTrue(os.path.exists(WEB + icon["src"]), icon)


if __name__ == "__main__":
    unittest.main()
