#!/usr/bin/env python3
"""Writes the bill of materials of each architecture beside the image, and prints digests, sizes, the largest parts, and
how long a service takes from its start until it is ready. Run by ci/image."""

import os
import re
import signal
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from image import ARCHES, NATIVE, OUT, ROOT, Service, layout, run, settings, system, unpack  # noqa: E402

LARGEST = 14
STARTS = 11
GROUPS = ("usr/share/zoneinfo", "usr/share/doc", "usr/share/todo-chatbot/scripts", "usr/share/todo-chatbot/web", "usr/lib/locale", "etc/ssl", "var/lib/dpkg")


def parts(root):
    """Bytes of each file, folders of many small ones taken as one."""
    sizes = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                short = os.path.relpath(path, root)
                part = next((group + "/" for group in GROUPS if short.startswith(group + "/")), short)
                sizes[part] = sizes.get(part, 0) + os.path.getsize(path)
    return sizes


def show_size(arch):
    image = layout()
    sizes = parts(unpack(arch))
    packed = sum(layer["size"] for layer in image.manifest(arch)["layers"])
    print(f"{arch}: {sum(sizes.values()) / 1e6:.1f} MB unpacked, {packed / 1e6:.1f} MB to fetch, manifest {image.digest(arch)}")
    for layer in image.manifest(arch)["layers"]:
        print(f"  layer {layer['digest']} {layer['size'] / 1e6:.1f} MB")
    largest = sorted(sizes.items(), key=lambda item: -item[1])
    for part, size in largest[:LARGEST]:
        print(f"  {size / 1e6:5.2f} MB  {re.sub('^usr/lib/[^/]*/', '', part)}")
    print(f"  {sum(size for _, size in largest[LARGEST:]) / 1e6:5.2f} MB  {len(largest) - LARGEST} smaller parts")


def write_bill(arch):
    with open(os.path.join(OUT, f"sbom-{arch}.spdx.json"), "w", encoding="utf-8") as file:
        subprocess.run([os.path.join(ROOT, "ci", "image-sbom"), unpack(arch), arch, os.environ["IMAGE_VERSION"], os.environ["IMAGE_REVISION"],
                        os.environ["SOURCE_DATE_EPOCH"]], stdout=file, check=True)


def show_start(arch):
    env = settings(system.new_database(), system.free_ports(8))
    done = run(arch, "migrate", env=env)
    if done.returncode != 0:
        sys.exit(f"migrate: {done.stderr}")
    taken = []
    for _ in range(STARTS):
        service = Service(arch, ["chat-api"], env)
        try:
            taken.append(1000 * service.wait_ready(int(env["PORT"]), pause=0.001))
        finally:
            service.stop()
    print(f"{arch}: chat-api is ready {statistics.median(taken):.0f} ms after its start (median of {STARTS}, at most {max(taken):.0f} ms)")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))    # what it started ends with it
    for arch in ARCHES:
        write_bill(arch)
        show_size(arch)
    if NATIVE in ARCHES:
        show_start(NATIVE)


if __name__ == "__main__":
    main()
