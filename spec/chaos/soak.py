"""Memory and descriptors of the processes that a soak spares, over time: neither may grow."""

import os
import statistics
import threading
import time

EVERY = 1               # seconds between looks
WARM_UP = 60            # of a process, left out: caches fill, code is compiled
ENOUGH = 180            # seconds of a process that can be judged
MEMORY_GROWTH = 1.2     # from the first third to the last one
MEMORY_SLACK = 8        # MiB
DESCRIPTOR_GROWTH = 1.2
DESCRIPTOR_SLACK = 64   # connections come and go with the processes that are killed


class Samples(threading.Thread):
    def __init__(self, fleet):
        super().__init__(daemon=True)
        self.fleet, self.over = fleet, threading.Event()
        self.lives = {}     # (name, pid) -> [(seconds of its life, MiB, descriptors)]

    def run(self):
        while not self.over.wait(EVERY):
            for name, process in list(self.fleet.processes.items()):
                seen = usage(process.pid)
                if seen and process.poll() is None and name not in self.fleet.frozen:
                    self.lives.setdefault((name, process.pid), []).append((time.monotonic() - process.began, *seen))

    def stop(self):
        self.over.set()
        self.join()

    def judged(self):
        """Lives that were long enough, without their beginning."""
        for (name, _), life in sorted(self.lives.items()):
            warm = [sample for sample in life if sample[0] > WARM_UP]
            if len(warm) > 2 and warm[-1][0] - warm[0][0] >= ENOUGH - WARM_UP:
                yield name, warm


def usage(pid):
    """Resident MiB and open descriptors; None when it has ended."""
    try:
        with open(f"/proc/{pid}/status") as status:
            resident = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))
        return resident, len(os.listdir(f"/proc/{pid}/fd"))
    except (OSError, StopIteration):
        return None


def slope(life):
    """MiB an hour, by least squares."""
    return statistics.linear_regression([s[0] for s in life], [s[1] for s in life]).slope * 3600


def thirds(life, field):
    third = max(1, len(life) // 3)
    return statistics.median(s[field] for s in life[:third]), statistics.median(s[field] for s in life[-third:])


def judge(samples):
    """What grew, as sentences; and a line of figures for each life."""
    grew, lines = [], []
    for name, life in samples.judged():
        first, last = thirds(life, 1)
        lines.append(f"{name}: {life[-1][0]:.0f} s, {first:.1f} to {last:.1f} MiB ({slope(life):+.1f} MiB/h),"
                     f" {min(s[2] for s in life)} to {max(s[2] for s in life)} descriptors")
        if last > first * MEMORY_GROWTH + MEMORY_SLACK:
            grew.append(f"{name} grew from {first:.1f} to {last:.1f} MiB")
        first, last = thirds(life, 2)
        if last > first * DESCRIPTOR_GROWTH + DESCRIPTOR_SLACK:
            grew.append(f"{name} had {first:.0f} descriptors, and {last:.0f} later")
    return grew, lines
