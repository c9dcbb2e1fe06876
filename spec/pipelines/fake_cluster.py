#!/usr/bin/env python3
"""Stands in for kubectl, helm, minikube and oci, by the name that it is called with, in the specs of ci/minikube-up and
ci/oke-up. Each call is a line of $FAKE/calls; what it was asked to keep is in files below $FAKE, and so are the switches:
  unready-RELEASE   its objects do not get ready        fails-RELEASE   helm cannot install it
  hangs-RELEASE    helm does not end
  no-…              there is no such thing (cluster, class, context, label, right, image)"""

import json
import os
import signal
import sys
import tarfile
import time

FAKE = os.environ["FAKE"]


def path(*names):
    return os.path.join(FAKE, *names)


def there(*names):
    return os.path.exists(path(*names))


def keep(text, *names):
    os.makedirs(os.path.dirname(path(*names)), exist_ok=True)
    with open(path(*names), "w", encoding="utf-8") as file:
        file.write(text)


def read(*names):
    with open(path(*names), encoding="utf-8") as file:
        return file.read()


def end(status, said=""):
    print(said, file=sys.stderr if status else sys.stdout, end="\n" if said else "")
    sys.exit(status)


def after(words, flag):
    return words[words.index(flag) + 1] if flag in words else None


def without_flags(words):
    return [word for i, word in enumerate(words) if not word.startswith("-") and words[i - 1:i] not in (["-n"], ["-o"], ["-l"], ["-f"])]


def helm(words):
    if words[0] == "version":
        end(0, read("helm-version") if there("helm-version") else "v3.22.0")
    if words[0] == "template":
        end(0, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rendered}\n" + (read("rendered") if there("rendered") else ""))
    if words[:2] == ["show", "crds"]:
        end(0)
    if words[0] == "history":
        end(0, read("releases", words[1])) if there("releases", words[1]) else end(1, "Error: release: not found")
    if words[:2] == ["get", "manifest"]:
        end(0, f"kind: Deployment # {words[2]}")
    if words[0] == "upgrade":
        release = words[2]
        if there("fails-" + release):
            end(1, "Error: UPGRADE FAILED: post-upgrade hooks failed: job failed")
        if there("hangs-" + release):
            signal.signal(signal.SIGTERM, lambda *_: (keep("SIGTERM", "helm-told"), sys.exit(1)))
            keep(str(os.getpid()), "helm-pid")
            time.sleep(600)
        revision = json.loads(read("releases", release))[-1]["revision"] + 1 if there("releases", release) else 1
        keep(json.dumps([{"revision": revision, "status": "deployed", "updated": "2026-01-01T00:00:00.123456789Z",
                          "description": after(words, "--description")}]), "releases", release)
        end(0)
    end(1, f"Error: helm {words} is not known here")


def objects(manifest):
    release = manifest.split("# ")[1].strip()
    ready = 0 if there("unready-" + release) else 1
    return {"items": [{"kind": "Deployment", "metadata": {"name": release, "generation": 1}, "spec": {"replicas": 1},
                       "status": {"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": ready}}]}


def kubectl_get(words):
    kind, name, *_ = [*without_flags(words), "", ""]
    if "-f" in words:
        with open(after(words, "-f"), encoding="utf-8") as file:
            found = objects(file.read())
        end(0, json.dumps(found) if after(words, "-o") == "json" else "deployment/x")
    if kind == "secret" and not there("secrets", name) or kind == "namespace" and not there("namespaces", name) \
            or kind == "pvc" and not there("pvc", name) or kind == "storageclass" and name and there("no-class"):
        end(1, f'Error from server (NotFound): {kind} "{name}" not found')
    if kind == "secret" and after(words, "-o") == "json":
        end(0, json.dumps({"data": dict.fromkeys(json.loads(read("secrets", name))["stringData"], "eA==")}))
    if kind == "storageclass" and not name:
        end(0, "" if there("no-class") else "standard")
    if kind == "nodes" and "-l" in words:
        end(0, "" if there("no-label") else "node/one")
    if kind == "nodes" and after(words, "-o") == "json":
        end(0, json.dumps({"items": [{"metadata": {"name": "one"}, "spec": {}, "status": {
            "allocatable": {"cpu": "4", "memory": read("memory") if there("memory") else "6000000Ki"}, "conditions": [{"type": "Ready", "status": "True"}]}}]}))
    if kind == "nodes":
        end(0, "amd64")
    if kind in ("pods", "events") and after(words, "-o") == "json":
        end(0, read(kind + ".json") if there(kind + ".json") else '{"items":[]}')
    end(0, f"{kind}/{name}" if name else "")


def kubectl(words):
    words = [word for word in words if not word.startswith("--request-timeout")]
    while words[0] in ("-n",):
        words = words[2:] + words[:2]
    if words[:2] == ["config", "view"]:
        if any(word.startswith("--context=") for word in words) and there("no-context"):
            end(1, "error: context was not found")
        end(0, "https://cluster.example:6443" if "jsonpath" in " ".join(words) else "kind: Config")
    if words[0] == "config":
        end(0, "fake")
    if words[0] == "version":
        if there("no-cluster"):
            end(1, "Unable to connect to the server: dial tcp: i/o timeout")
        end(0, json.dumps({"serverVersion": {"major": "1", "minor": read("minor") if there("minor") else "31+"}}))
    if words[0] == "api-versions":
        end(0, read("kinds") if there("kinds") else "v1\napps/v1")
    if words[0] == "auth":
        end(0, "no" if there("no-right") else "yes")
    if words[0] == "get":
        kubectl_get(words[1:])
    if words[:2] == ["create", "namespace"]:
        keep("", "namespaces", words[2])
    elif words[0] == "create":
        document = json.load(sys.stdin)
        if there("secrets", document["metadata"]["name"]):
            end(1, "Error from server (AlreadyExists)")
        keep(json.dumps(document), "secrets", document["metadata"]["name"])
    elif words[0] == "logs":
        end(0, "the last line of " + words[1])
    elif words[0] == "delete":
        for name in ("todo-chatbot", "postgres"):
            if words[2].startswith(f"sh.helm.release.v1.{name}."):
                os.remove(path("releases", name))
    elif words[0] == "exec":
        end(0, read("token"))
    elif words[0] == "port-forward":
        print(f"Forwarding from 127.0.0.1:{read('port')} -> 8000", flush=True)
        signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1.5), os._exit(0)))     # it takes a moment
        keep(str(os.getpid()), "forward")
        time.sleep(600)
    end(0)


def minikube(words):
    words = words[2:] if words[0] == "--profile" else words
    if words[0] == "status":
        end(0, "Running Running") if there("running") else end(7, "Stopped Stopped")
    if words[0] == "start":
        if there("no-start"):
            end(80, "Exiting due to GUEST_PROVISION: no driver")
        keep("", "running")
    if words[:2] == ["image", "ls"]:
        end(0, read("images") if there("images") else "registry.k8s.io/pause:3.10")
    if words[:2] == ["image", "load"]:
        with tarfile.open(words[2]) as tar:
            names = json.load(tar.extractfile("manifest.json"))[0]["RepoTags"]
        if not there("no-image"):
            keep("\n".join(names), "images")
    end(0)


def oci(words):
    keep("kind: Config", os.path.relpath(after(words, "--file"), FAKE))


if __name__ == "__main__":
    with open(path("calls"), "a", encoding="utf-8") as calls:
        print(os.path.basename(sys.argv[0]), *sys.argv[1:], file=calls)
    {"helm": helm, "kubectl": kubectl, "minikube": minikube, "oci": oci}[os.path.basename(sys.argv[0])](sys.argv[1:])
