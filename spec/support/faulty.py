"""A program whose allocations, reads and writes go wrong when a spec says so: faulty.c, preloaded."""

import atexit
import mmap
import os
import shutil
import struct
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FIELDS = ("allocations", "fail_at", "only", "failed", "one_in", "interrupted", "later", "shortened", "accepted", "any", "curl", "gssapi", "crypto", "luajit", "unwinder", "cjson")
LUAJIT, UNWINDER, CJSON = 4, 5, 6    # for `only`

_library = None


def library():
    """faulty.c, compiled once a run."""
    global _library
    if _library is None:
        folder = tempfile.mkdtemp(prefix="todo-spec-faulty-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        path = os.path.join(folder, "faulty.so")
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-shared", "-fPIC", "-fno-builtin", "-ftls-model=initial-exec",
                        "-o", path, os.path.join(HERE, "faulty.c"), "-ldl"], check=True)
        _library = path
    return _library


class Faulty:
    """What goes wrong in the programs that are started with `env`. Its fields are those of struct control."""

    def __init__(self):
        self.file = tempfile.NamedTemporaryFile(prefix="todo-spec-faulty-")
        self.file.truncate(4096)
        self.page = mmap.mmap(self.file.fileno(), 4096)
        options = [os.environ[name] for name in ("ASAN_OPTIONS",) if name in os.environ]
        # Programs are started often here, and rules have their time by the clock of a busy processor.
        self.env = {"LD_PRELOAD": library(), "FAULTY_CONTROL": self.file.name, "RULES_CPU_FACTOR": "8",
                    "ASAN_OPTIONS": ":".join([*options, "verify_asan_link_order=0", "allocator_may_return_null=1"])}

    def __getattr__(self, name):
        return struct.unpack_from("=q", self.page, FIELDS.index(name) * 8)[0]

    def set(self, **values):
        for name, value in values.items():
            struct.pack_into("=q", self.page, FIELDS.index(name) * 8, value)

    def fail(self, number):
        """The number-th allocation from now on fails, once. 0: none does; they are counted."""
        self.set(fail_at=0)
        self.set(allocations=0, failed=0)
        self.set(fail_at=number)
