"""What the specs of the image share: the OCI layout that ci/image leaves, its layers unpacked, and the program run in
them as a container would run it: root file system read-only, user 65532, a process namespace of its own."""

import atexit
import http.client
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "spec", "support"))
import system  # noqa: E402

OUT = os.environ.get("IMAGE_DIR", os.path.join(ROOT, "build", "image"))
ARCHES = os.environ.get("ARCHES", "amd64 arm64").split()
STATE = "/var/lib/todo-chatbot"

NATIVE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())

# Programs of other architectures are emulated: everything takes ten times as long.
READY_S = 120

# Mounts of the new process alone: they end with it. $1 is the image's root, more words are the command.
ENTER = """
root=$1; shift
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -o remount,bind,ro "$root"
[ -z "$STATE_MOUNT" ] || mount -t tmpfs -o mode=700,uid=65532,gid=65532 tmpfs "$root$STATE_MOUNT"
unset STATE_MOUNT
exec setpriv --no-new-privs chroot --userspec=65532:65532 --groups=65532 "$root" "$@"
"""


class Layout:
    """An OCI layout of one index."""

    def __init__(self, folder):
        self.folder = folder
        with open(os.path.join(folder, "index.json"), encoding="utf-8") as file:
            self.index = self.read(json.load(file)["manifests"][0]["digest"])

    def path(self, digest):
        return os.path.join(self.folder, "blobs", *digest.split(":"))

    def read(self, digest):
        with open(self.path(digest), encoding="utf-8") as file:
            return json.load(file)

    def arches(self):
        return sorted(m["platform"]["architecture"] for m in self.index["manifests"])

    def digest(self, arch):
        return next(m["digest"] for m in self.index["manifests"] if m["platform"]["architecture"] == arch)

    def manifest(self, arch):
        return self.read(self.digest(arch))

    def config(self, arch):
        return self.read(self.manifest(arch)["config"]["digest"])

    def layers(self, arch):
        return [self.path(layer["digest"]) for layer in self.manifest(arch)["layers"]]


def layout(name="oci"):
    return Layout(os.path.join(OUT, name))


def members(arch):
    """(TarInfo, its bytes or None) of all files of the layers."""
    for layer in layout().layers(arch):
        with tarfile.open(layer) as tar:
            for info in tar:
                yield info, tar.extractfile(info).read() if info.isfile() else None


_unpacked = {}


def unpack(arch):
    """A folder with the image's files, as long as this program runs."""
    if arch not in _unpacked:
        folder = tempfile.mkdtemp(prefix=f"todo-image-{arch}-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.chmod(folder, 0o755)
        for layer in layout().layers(arch):
            with tarfile.open(layer) as tar:
                tar.extractall(folder, numeric_owner=True, filter="fully_trusted")
        _unpacked[arch] = folder
    return _unpacked[arch]


def command(arch, words, state):
    image = layout().config(arch)["config"]
    env = dict(pair.split("=", 1) for pair in image["Env"])
    if arch != NATIVE:
        env["MALLOC_TRIM_THRESHOLD_"] = "1000000000"    # Debian 12's qemu loses memory that a program gave back by brk and took again
        env["RULES_CPU_FACTOR"] = "100"
    return (["prlimit", "--core=0", "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", ENTER, "sh", unpack(arch), *image["Entrypoint"], *words],
            {**env, "STATE_MOUNT": STATE if state else ""})


def run(arch, *words, state=True, env=None, text=None):
    """One command of the program, until it ends."""
    line, own = command(arch, words, state)
    return subprocess.run(line, env={**own, **(env or {})}, input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)


def settings(database, base, **more):
    return {"DATABASE_URL": system.postgres().url(database), "JWT_SECRET": system.SECRET, "PORT": str(base), "BIND_ADDRESS": "127.0.0.1",
            "DRAIN_MS": "0", **more}


class Service:
    """A service that runs in the image, as its process 1."""

    def __init__(self, arch, words, env, state=True):
        line, own = command(arch, ("run", *words), state)
        self.log = system.Log()
        self.began = time.monotonic()
        self.process = subprocess.Popen(line, env={**own, **env}, stdout=self.log, stderr=self.log)

    def pid(self):
        """The program's, outside of its namespace."""
        def child():
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
                return file.read().split()
        return int(system.wait_until(child, what="the program's process")[0])

    def log_text(self):
        return self.log.text()

    def get(self, port, path="/ready"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def wait_ready(self, port, pause=0.02):
        """Seconds from its start."""
        end = time.monotonic() + READY_S * system.PATIENCE
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"it ended with {self.process.returncode}: {self.log_text()}")
            try:
                if self.get(port)[0] == 200:
                    return time.monotonic() - self.began
            except OSError:
                pass
            time.sleep(pause)
        raise AssertionError(f"not ready: {self.log_text()[-4000:]}")

    def stop(self):
        """SIGTERM to process 1; what the program ended with."""
        if self.process.poll() is None:
            try:
                os.kill(self.pid(), signal.SIGTERM)
                self.process.wait(120)
            finally:
                if self.process.poll() is None:
                    self.process.kill()
                    self.process.wait()
        return self.process.returncode


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(re.findall(r"^(\w+):\t(.*)$", file.read(), re.M))


def for_each_arch(case):
    """A class of tests per architecture, from one that has `arch` only by name."""
    scope = sys._getframe(1).f_globals
    for arch in ARCHES:
        name = f"{case.__name__}_{arch}"
        scope[name] = type(name, (case, system.unittest.TestCase), {"arch": arch, "__module__": case.__module__})
    return case
