#!/usr/bin/env python3
"""Notes when the machine itself stood still, or its disk: spans in which no program could have been in time. It does nothing
but look at the clock, and commit a row of a table that is its own. usage: stalls.py PSQL URL FILE. A line is: began, ended."""

import subprocess
import sys
import time

PAUSE, STALL = 0.1, 0.5    # seconds


class Table:
    def __init__(self, psql, url):
        self.command = [psql, "-X", "-q", "-A", "-t", url]
        self.process = None

    def do(self, sql):
        """False: the database is away, which is noted elsewhere."""
        if self.process is None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd="/")
        try:
            self.process.stdin.write(sql + "; SELECT 'done';\n")
            self.process.stdin.flush()
            if self.process.stdout.readline() == "done\n":
                return True
        except BrokenPipeError:
            pass
        self.process.kill()
        self.process.communicate()
        self.process = None
        return False


def main():
    table, ready = Table(*sys.argv[1:3]), False
    with open(sys.argv[3], "a", buffering=1) as out:
        while True:
            wall, at = time.time(), time.monotonic()
            time.sleep(PAUSE)
            late = time.monotonic() - at > PAUSE + STALL
            at = time.monotonic()
            if ready:
                ready = table.do("INSERT INTO stall VALUES (now())")
                late = late or ready and time.monotonic() - at > STALL
            else:
                ready = table.do("CREATE TABLE IF NOT EXISTS stall (at timestamptz)")
            if late:
                out.write(f"{wall} {time.time()}\n")


if __name__ == "__main__":
    main()
