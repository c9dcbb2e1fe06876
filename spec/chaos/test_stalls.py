"""What stalls.py notes: that it was not woken, and that a commit took long."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support")]
from fleet import HERE, Outages  # noqa: E402
from system import PG_BIN, postgres, wait_until  # noqa: E402


class StallsAreNoted(unittest.TestCase):
    def setUp(self):
        self.file = tempfile.NamedTemporaryFile(prefix="todo-chaos-stalls-")
        self.addCleanup(self.file.close)
        self.outages = Outages(self.file.name)
        postgres().sql("DROP TABLE IF EXISTS stall; CREATE TABLE stall (at timestamptz)")
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "stalls.py"), os.path.join(PG_BIN, "psql"), postgres().url("postgres"), self.file.name])
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)
        wait_until(lambda: int(postgres().sql("SELECT count(*) FROM stall") or 0) > 1, 30, "rows of its own")

    def assert_noted(self, began, ended):
        wait_until(lambda: any(start < ended and end > began and end - start > 0.9 for start, end, _ in self.outages.of_the_machine()), 30,
                   lambda: f"{began} to {ended}: {self.outages.of_the_machine()}")
        self.assertEqual({what for _, _, what in self.outages.all()}, {"machine"})

    def test_not_to_be_woken(self):
        began = time.time()
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)    # what it is to notice
        self.process.send_signal(signal.SIGCONT)
        self.assert_noted(began, time.time())

    def test_a_commit_that_takes_long(self):
        began = time.time()
        postgres().sql("BEGIN; LOCK TABLE stall; SELECT pg_sleep(1.5); COMMIT")
        self.assert_noted(began, time.time())


if __name__ == "__main__":
    unittest.main()
