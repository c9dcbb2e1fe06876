#!/usr/bin/env python3
"""A real API server of Kubernetes with its controllers and etcd, on loopback, with ports and a folder of its own, and the
custom resource definitions that the charts need. It has no nodes: standins.py says of pods what a kubelet would.
Everything it starts ends with it, also when it is killed. ci/get-kube builds the programs.
usage: spec/cluster/kube.py up [--no-pods]     serves until it is told to end; prints the path of its KUBECONFIG
  --no-pods   nobody says of pods and of Kafka that they are ready"""

import atexit
import base64
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
from api import Api  # noqa: E402
from standins import Standins  # noqa: E402
from system import ROOT, free_port, tellers, wait_until  # noqa: E402

ADMIN = "admin-0123456789abcdef"      # the token of system:masters
# Kinds of operators that no chart of ours makes, and whose definitions are large.
UNUSED = re.compile(r"_(prometheuses|prometheusagents|alertmanagers|alertmanagerconfigs|scrapeconfigs|thanosrulers|probes)\.yaml$")


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Takes a lone `=`, one of prometheus-operator's words, for text."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)


def folder_of(script, *words):
    """The cache folder that a ci/get-… script makes, and prints."""
    done = subprocess.run([os.path.join(ROOT, "ci", script), *words], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"ci/{script} failed")
    return done.stdout.strip()


class Kube:
    def __init__(self):
        # Who is told to end, ends what it has started as well.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        self.tools = os.environ.get("KUBE_DIR") or folder_of("get-kube")
        self.charts_tools = os.environ.get("CHARTS_TOOLS") or folder_of("get-charts-tools")
        self.folder = tempfile.mkdtemp(prefix="todo-kube-")
        self.processes, self.standins, self.api = {}, None, None
        self.kubeconfig = os.path.join(self.folder, "kubeconfig")
        self.env = {**os.environ, "KUBECONFIG": self.kubeconfig, "HELM_CACHE_HOME": self.folder + "/helm", "HELM_CONFIG_HOME": self.folder + "/helm",
                    "HELM_DATA_HOME": self.folder + "/helm", "KUBECACHEDIR": self.folder + "/kubectl",
                    "PATH": os.pathsep.join([self.tools + "/bin", self.charts_tools + "/bin", os.environ["PATH"]])}
        tellers.add(self)
        atexit.register(self.stop)

    # Processes.

    def spawn(self, name, *words):
        with open(self.log_path(name), "ab") as log:
            self.processes[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", os.path.join(self.tools, "bin", name), *words], cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True)

    def log_path(self, name):
        return os.path.join(self.folder, name + ".log")

    def logs(self):
        found = []
        for name in self.processes:
            with open(self.log_path(name), errors="replace") as f:
                found.append((name, f.read()))
        return found

    def wait(self, name, condition, seconds=60):
        def ready():
            if self.processes[name].poll() is not None:
                raise AssertionError(f"{name} ended with {self.processes[name].returncode}")
            return condition()
        try:
            wait_until(ready, seconds, name)
        except AssertionError as e:
            with open(self.log_path(name), errors="replace") as f:
                raise AssertionError(f"{e}; its log ends: {f.read()[-3000:]}") from None

    def stop(self):
        if self.standins:
            self.standins.stop()
        for process in list(self.processes.values())[::-1]:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes, self.standins = {}, None
        if not os.environ.get("KEEP_LOGS"):
            shutil.rmtree(self.folder, ignore_errors=True)

    # Parts.

    def start(self, pods=True):
        self.start_etcd()
        self.start_server()
        self.start_controllers()
        self.install_definitions()
        if pods:
            self.standins = Standins(self.api)
        return self

    def start_etcd(self):
        client, peer = free_port(), free_port()
        self.etcd = f"http://127.0.0.1:{client}"
        peers = f"http://127.0.0.1:{peer}"
        # What it holds is gone with it: no need to reach the disk.
        self.spawn("etcd", "--data-dir", self.folder + "/etcd", "--unsafe-no-fsync", "--log-level", "warn", "--listen-client-urls", self.etcd,
                   "--advertise-client-urls", self.etcd, "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
                   "--initial-cluster", "default=" + peers)

    def start_server(self):
        key, tokens, certs = (os.path.join(self.folder, name) for name in ("accounts.key", "tokens.csv", "certs"))
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, stderr=subprocess.DEVNULL)
        with open(tokens, "w") as f:
            f.write(f'{ADMIN},admin,admin,"system:masters"\n')
        self.port = free_port()
        self.spawn("kube-apiserver", f"--etcd-servers={self.etcd}", f"--cert-dir={certs}", "--bind-address=127.0.0.1", f"--secure-port={self.port}",
                   f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
                   "--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.96.0.0/16",
                   f"--token-auth-file={tokens}", "--authorization-mode=RBAC", "--anonymous-auth=false")
        certificate = os.path.join(certs, "apiserver.crt")
        self.wait("kube-apiserver", lambda: os.path.exists(certificate) and os.path.exists(os.path.join(certs, "apiserver.key")))
        self.api = Api(self.port, certificate, ADMIN)
        self.wait("kube-apiserver", self.api.is_ready)
        with open(certificate, "rb") as f:
            self.authority = base64.b64encode(f.read()).decode()
        self.write_config(self.kubeconfig, ADMIN)

    def write_config(self, path, token, namespace="default"):
        """How kubectl and helm reach the server as the one whose token it is."""
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "specs",
                  "clusters": [{"name": "specs", "cluster": {"server": f"https://127.0.0.1:{self.port}",
                                                             "certificate-authority-data": self.authority}}],
                  "users": [{"name": "who", "user": {"token": token}}],
                  "contexts": [{"name": "specs", "context": {"cluster": "specs", "user": "who", "namespace": namespace}}]}
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            json.dump(config, f)     # JSON is YAML

    def start_controllers(self):
        self.spawn("kube-controller-manager", f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--secure-port=0",
                   f"--service-account-private-key-file={self.folder}/accounts.key", f"--root-ca-file={self.folder}/certs/apiserver.crt",
                   "--use-service-account-credentials=true")
        self.wait("kube-controller-manager", lambda: self.api.get("/api/v1/namespaces/default/serviceaccounts/default", None))

    def install_definitions(self):
        paths = [path for path in sorted(glob.glob(os.path.join(self.charts_tools, "crds", "*", "*.yaml"))) if not UNUSED.search(path)]
        if not paths:
            raise AssertionError(f"there are no custom resource definitions in {self.charts_tools}/crds")
        base, names = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", []
        for path in paths:
            with open(path) as f:
                for definition in filter(None, yaml.load_all(f, Loader=Loader)):
                    names.append(self.api.ask("POST", base, definition)["metadata"]["name"])

        def established(name):
            conditions = self.api.get(f"{base}/{name}")["status"].get("conditions") or []
            return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
        for name in names:
            wait_until(lambda name=name: established(name), 60, name)

    # What is asked of it.

    def run(self, program, *words, input=None, env=None, seconds=300):
        """(its exit status, what it prints, what it says on standard error)"""
        done = subprocess.run([program, *words], input=input, env={**self.env, **(env or {})}, cwd=ROOT, capture_output=True, text=True,
                              timeout=seconds)
        return done.returncode, done.stdout, done.stderr

    def kubectl(self, *words, **more):
        status, out, err = self.run("kubectl", *words, **more)
        if status:
            raise AssertionError(f"kubectl {' '.join(words)}: {err}")
        return out


def main():
    words = sys.argv[1:]
    if words[:1] != ["up"] or not set(words[1:]) <= {"--no-pods"}:
        sys.exit(__doc__.split("usage: ", 1)[1])
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    began = time.monotonic()
    kube = Kube().start(pods="--no-pods" not in words)
    print(kube.kubeconfig, flush=True)
    print(f"up in {time.monotonic() - began:.1f} s; helm and kubectl: PATH={kube.charts_tools}/bin:{kube.tools}/bin:$PATH", file=sys.stderr, flush=True)
    while all(process.poll() is None for process in kube.processes.values()):
        time.sleep(1)
    sys.exit("one of its programs has ended: " + ", ".join(name for name, process in kube.processes.items() if process.poll() is not None))


if __name__ == "__main__":
    main()
