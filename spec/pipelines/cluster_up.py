"""What the specs of ci/minikube-up and ci/oke-up share: the stand-ins of fake_cluster.py, and a system that works behind them."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from system import ROOT, HostCase, token  # noqa: E402

DIGEST = "registry.example/todo-chatbot@sha256:" + "0123456789abcdef" * 4
PARTS = ["postgres", "redis", "strimzi", "dapr", "kafka", "dapr-components"]


def archive(path, word):
    """An OCI archive of an image for amd64 whose only layer holds a word."""
    blobs, files = {}, {}

    def blob(data):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"digest": "sha256:" + digest, "size": len(data)}
    manifest = {"config": blob(json.dumps({"architecture": "amd64", "os": "linux"}).encode()), "layers": [blob(word.encode())]}
    index = blob(json.dumps({"manifests": [blob(json.dumps(manifest).encode())]}).encode())
    files["index.json"] = json.dumps({"manifests": [index]}).encode()
    files.update({"blobs/sha256/" + digest: data for digest, data in blobs.items()})
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo("./" + name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


class Up(HostCase):
    script, words = "minikube-up", ()
    services, env = ("--all",), {"LOG_LEVEL": "error"}

    def setUp(self):
        self.fake = tempfile.mkdtemp(prefix="todo-spec-up-")
        self.addCleanup(shutil.rmtree, self.fake)
        os.mkdir(self.at("bin"))
        for name in ("helm", "kubectl", "minikube", "oci"):
            shutil.copy(os.path.join(HERE, "fake_cluster.py"), self.at("bin", name))
        for name, text in (("calls", ""), ("port", str(self.host.port_of("chat-api"))), ("token", token("smoke")),
                           ("charts/dapr/Chart.yaml", "name: dapr"), ("charts/strimzi-kafka-operator/Chart.yaml", "name: strimzi")):
            self.write(name, text)
        archive(self.at("image.tar"), "one")
        clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self.env = {**clean, "FAKE": self.fake, "PATH": self.at("bin") + ":" + os.environ["PATH"], "XDG_CACHE_HOME": self.at("cache"), "WAIT_SECONDS": "3",
                    "CHARTS_DIR": self.at("charts"), "IMAGE": self.at("image.tar"), "MINIKUBE_CPUS": "1", "MINIKUBE_MEMORY": "64m", "SMOKE_WAIT": "20"}

    def at(self, *names):
        return os.path.join(self.fake, *names)

    def write(self, name, text=""):
        os.makedirs(os.path.dirname(self.at(name)), exist_ok=True)
        with open(self.at(name), "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, name):
        with open(self.at(name), encoding="utf-8") as file:
            return file.read()

    def start(self, **env):
        words = ["/usr/bin/setpriv", "--pdeathsig", "TERM", os.path.join(ROOT, "ci", self.script), *self.words]
        return subprocess.Popen(words, env={**self.env, **env}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def up(self, status, **env):
        """Runs it; returns what it says, and notes what it asked for in this run alone."""
        self.write("calls")
        with self.start(**env) as process:
            out, said = process.communicate(timeout=900)
        self.assertEqual(process.returncode, status, said)
        self.assertEqual(out, "")
        self.calls = self.read("calls").splitlines()
        return said

    def installed(self):
        return [line.split()[3] for line in self.calls if line.startswith("helm upgrade")]

    def changes(self):
        """What would change the cluster or Minikube. A label that is there already is no change."""
        return [line for line in self.calls if re.match(r"helm (upgrade|rollback|uninstall)|minikube .*(start|load|enable)"
                                                        r"|kubectl (-\S+ (\S+ )?)*(create|apply|delete|patch|rollout) ", line)]

    def secrets(self):
        return {name: json.loads(self.read("secrets/" + name))["stringData"] for name in sorted(os.listdir(self.at("secrets")))}
