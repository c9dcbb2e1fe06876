"""Keys that sign tokens, and the server that an identity provider publishes them on."""

import http.server
import json
import os
import subprocess
import tempfile
import threading
import time

from system import b64


def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


class Key:
    """A key pair by the openssl program, its JWK, and signatures in the form of JWS."""

    def __init__(self, kind, kid):
        self.kind, self.kid = kind, kid
        self.folder = tempfile.mkdtemp(prefix="todo-spec-key-")
        self.private = os.path.join(self.folder, "key.pem")
        options = {"RS256": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "ES256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                   "EdDSA": ["ED25519"]}[kind]
        openssl("genpkey", "-algorithm", *options, "-out", self.private)
        self.public_der = openssl("pkey", "-in", self.private, "-pubout", "-outform", "DER")
        self.public_pem = openssl("pkey", "-in", self.private, "-pubout")

    def jwk(self):
        if self.kind == "RS256":
            modulus = openssl("rsa", "-in", self.private, "-modulus", "-noout").decode().strip().split("=")[1]
            return {"kty": "RSA", "kid": self.kid, "alg": "RS256", "n": b64(bytes.fromhex(modulus)), "e": "AQAB"}
        if self.kind == "ES256":
            return {"kty": "EC", "crv": "P-256", "kid": self.kid, "x": b64(self.public_der[-64:-32]), "y": b64(self.public_der[-32:])}
        return {"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": b64(self.public_der[-32:])}

    def sign(self, text):
        path = os.path.join(self.folder, "text")
        with open(path, "wb") as f:
            f.write(text)
        if self.kind == "EdDSA":
            return openssl("pkeyutl", "-sign", "-inkey", self.private, "-rawin", "-in", path)
        der = openssl("dgst", "-sha256", "-sign", self.private, path)
        if self.kind == "RS256":
            return der
        at = 3 if der[1] < 0x80 else 4
        r = der[at + 1:at + 1 + der[at]]
        rest = der[at + 1 + der[at] + 1:]
        s = rest[1:1 + rest[0]]
        return r.lstrip(b"\0").rjust(32, b"\0") + s.lstrip(b"\0").rjust(32, b"\0")

    def token(self, header=None, **claims):
        head = b64(json.dumps(header or {"alg": self.kind, "kid": self.kid, "typ": "JWT"}).encode())
        body = b64(json.dumps({"sub": "ann", "exp": int(time.time()) + 600, **claims}).encode())
        return f"{head}.{body}.{b64(self.sign(f'{head}.{body}'.encode()))}"


class KeyServer:
    """Serves keys as a JWKS on a port of its own, and counts how often it is asked."""

    def __init__(self, keys, path="/jwks"):
        self.fetches = 0
        document = json.dumps({"keys": [key.jwk() for key in keys]}).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(handler):
                self.fetches += 1
                handler.send_response(200)
                handler.send_header("Content-Length", str(len(document)))
                handler.end_headers()
                handler.wfile.write(document)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}{path}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
