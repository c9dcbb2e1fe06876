"""The harness itself: what specs read and take is theirs alone."""

import os
import subprocess
import sys
import time
import unittest

import system


class Logs(unittest.TestCase):
    def test_who_reads_a_log_moves_no_place_that_is_written_to(self):
        log = system.Log()
        writer = subprocess.Popen([sys.executable, "-c", "import os\nfor line in open(0, 'rb', buffering=0): os.write(2, line)"],
                                  stdin=subprocess.PIPE, stderr=log)
        for i in range(10):
            writer.stdin.write(b"line %d\n" % i)
            writer.stdin.flush()
            system.wait_until(lambda: log.text().splitlines() == [f"line {n}" for n in range(i + 1)], 30, log.text)
            os.lseek(log.fileno(), 0, os.SEEK_SET)    # where a reader would be
        writer.stdin.close()
        self.assertEqual(writer.wait(), 0)
        self.assertEqual(log.text(log.size() - 7), "line 9\n")


class Ports(unittest.TestCase):
    def test_who_is_not_started_yet_keeps_its_ports(self):
        self.assertEqual(len({system.free_ports(8) for _ in range(3)}), 3)
        self.assertEqual(len({system.free_port() for _ in range(50)}), 50)


class Waiting(unittest.TestCase):
    def test_it_looks_once_more_where_it_stood_still_until_its_time_was_over(self):
        looks = []

        def condition():
            looks.append(1)
            time.sleep(0.1)
            return len(looks) == 2
        system.wait_until(condition, 0.01)

    def test_what_it_says_is_of_the_end(self):
        seen = []

        def condition():
            seen.append(1)
        with self.assertRaisesRegex(AssertionError, "saw [1-9]"):
            system.wait_until(condition, 0.01, lambda: f"saw {len(seen)}")


if __name__ == "__main__":
    unittest.main()
