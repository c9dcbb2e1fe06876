"""Reminders by mail through Dapr's own binding (dapr/optional/email.yaml) to a real mail server, Mailpit:
with STARTTLS and a login, without, refused at each step, and with a certificate that nobody vouches for."""

import http.client
import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import CACHE, ROOT, Cluster, answers, free_port, wait_until  # noqa: E402
from writer import remind  # noqa: E402

MAILPIT = os.environ.get("MAILPIT_DIR") or os.path.join(CACHE, "mailpit-1.27.11")
SENDER = "todo@example.org"
LOGIN = "postman:word-of-the-postman"
TITLE = 'Zoë\'s "<b>tea</b>" & 🍵 \\ n/a'
DAPRD = "daprd-notification-service"


class Mailpit:
    """The mail server, a process of the cluster; it stays at its ports when it is started once more."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.smtp, self.http = free_port(), free_port()
        self.certificate = os.path.join(cluster.folder, "mail.pem")
        self.key = os.path.join(cluster.folder, "mail.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=mail of a spec", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.key,
                        "-out", self.certificate], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self, locked):
        """locked: nobody gets in but by STARTTLS and with the login."""
        self.cluster.end("mailpit")
        words = ["--smtp-tls-cert", self.certificate, "--smtp-tls-key", self.key, "--smtp-require-starttls"] if locked else []
        self.cluster.spawn("mailpit", [
            os.path.join(MAILPIT, "mailpit"), "--smtp", f"127.0.0.1:{self.smtp}", "--listen", f"127.0.0.1:{self.http}", "--database",
            os.path.join(self.cluster.folder, "mail.db"), "--disable-version-check", "--smtp-disable-rdns", "--enable-chaos", "--verbose", *words],
            {"MP_SMTP_AUTH": LOGIN if locked else None})
        self.cluster.wait("mailpit", lambda: answers(self.http, "/readyz"))

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=20)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            text = reply.read().decode()
        finally:
            connection.close()
        if reply.status != 200:
            raise AssertionError(f"mailpit answers {method} {path} with {reply.status}: {text}")
        return json.loads(text)

    def refuse(self, **codes):
        """Sender, Recipient, Authentication: the code that this step is answered with, always."""
        self.ask("PUT", "/api/v1/chaos", {step: {"ErrorCode": code, "Probability": 100} for step, code in codes.items()})

    def mails(self, wanted=lambda address: True):
        """Those that went to such an address, be it in the envelope alone."""
        return [m for m in self.ask("GET", "/api/v1/messages?limit=1000")["messages"]
                if any(wanted(a["Address"]) for a in (m["To"] or []) + (m["Cc"] or []) + (m["Bcc"] or []))]

    def read(self, mail):
        return self.ask("GET", "/api/v1/message/" + mail["ID"])


class Mail(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.mail = Mailpit(cls.cluster)
        cls.mail.start(locked=True)
        cls.cluster.resources.append(os.path.join(ROOT, "dapr", "optional"))
        user, _, password = LOGIN.partition(":")
        cls.locked = {"SMTP_USER": user, "SMTP_PASSWORD": password, "SSL_CERT_FILE": cls.mail.certificate}
        # The webhook is not asked for, but its component needs an address.
        cls.cluster.dapr_env = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(cls.mail.smtp), "SMTP_FROM": SENDER,
                                "WEBHOOK_URL": "http://127.0.0.1:9/", **cls.locked}
        cls.cluster.start_kafka()
        cls.cluster.start_redis()
        cls.cluster.start_scheduler()
        cls.cluster.start_services(("chat-api", "notification-service"), {"NOTIFY_EMAIL": "email"})

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def setUp(self):
        self.user = self.id().rsplit(".", 1)[-1][-40:].strip("_") + "@example.org"

    def sidecar_with(self, **env):
        """The sidecar of notification-service again, with other settings (None: without)."""
        self.cluster.end(DAPRD)
        words, before = self.cluster.commands[DAPRD]
        self.cluster.spawn(DAPRD, words, {**before, **env})
        self.cluster.wait_daprd("notification-service")

    def reminded(self, title, user=None):
        self.asked = self.now()
        # Of high priority: it goes out in quiet hours as well.
        return remind(self.cluster, title, user=user or self.user, priority="high")

    def now(self):
        return float(self.cluster.sql("SELECT extract(epoch FROM clock_timestamp())"))

    def delivery(self, task):
        """Its state, how many tries it had, when the next one is due, why the last one failed."""
        text = self.cluster.sql("SELECT state, attempts, extract(epoch FROM deliver_at), coalesce(error, '') FROM notify.delivery"
                                f" WHERE channel = 'email' AND task_id = '{task['id']}' AND claimed_by IS NULL")
        state, attempts, due, error = text.split("|", 3) if text else ("none", 0, 0, "")
        return state, int(attempts), float(due), error

    def wait_failed(self, task, attempts, part, seconds):
        """Until so many tries have failed, the last for that reason; from it, so from some time between then and now, to the next one
        it is so long."""
        wait_until(lambda: self.delivery(task)[:2] == ("pending", attempts), 60, f"failure {attempts} of a mail")
        _, _, due, error = self.delivery(task)
        self.assertIn(part, error)
        self.assertLess(due - self.now(), seconds * 1.21)
        self.assertGreater(due - self.asked, seconds * 0.79)

    def try_now(self, task):
        """The next try, which would be due in minutes."""
        self.asked = self.now()
        self.cluster.sql(f"UPDATE notify.delivery SET deliver_at = now() WHERE channel = 'email' AND task_id = '{task['id']}'")

    def wait_sent(self, task, attempts):
        wait_until(lambda: self.delivery(task)[:2] == ("sent", attempts), 60, "the mail")

    def wait_alone(self, user=None):
        """The one mail to a user, when one that was asked for later is there as well."""
        behind = f"behind.{user or self.user}"
        self.reminded("behind", behind)
        wait_until(lambda: self.mail.mails(lambda a: a == behind), 60, "the mail behind")
        (mail,) = self.mail.mails(lambda a: a == (user or self.user))
        return self.mail.read(mail)

    def assert_arrived(self, title):
        """After failures a reminder may be so late that it says so."""
        self.assertIn(self.wait_alone()["Subject"], ("Reminder: " + title, "Late reminder: " + title))

    def steps(self):
        """The commands that the server was given, but for greetings."""
        return re.findall(r"received \(127.0.0.1\) (STARTTLS|AUTH|MAIL|RCPT)", self.cluster.log("mailpit"))

    def test_a_mail_arrives_by_starttls_and_login_with_its_recipient_subject_and_text(self):
        before = self.steps()
        task = self.reminded(TITLE)
        self.wait_sent(task, 1)
        self.assertEqual(self.steps()[len(before):][:4], ["STARTTLS", "AUTH", "MAIL", "RCPT"])
        mail = self.wait_alone()
        self.assertEqual((mail["From"]["Address"], mail["ReturnPath"]), (SENDER, SENDER))
        self.assertEqual([a["Address"] for a in mail["To"]], [self.user])
        self.assertEqual((mail["Cc"], mail["Bcc"]), ([], []))
        self.assertEqual(mail["Subject"], "Reminder: " + TITLE)
        self.assertIn(TITLE, mail["Text"])      # what a reader sees of the HTML
        self.assertNotIn("<b>tea", mail["HTML"])
        self.assertNotIn("\\u003c", mail["HTML"])

    def test_mails_to_many_people_are_not_mixed_up(self):
        people = [f"person{i}@example.org" for i in range(15)]
        for person in people:
            self.reminded("for " + person, person)
        mails = lambda: self.mail.mails(lambda address: address.startswith("person"))  # noqa: E731
        wait_until(lambda: len(mails()) >= len(people), 60, "the mails")
        self.assertEqual(sorted(([a["Address"] for a in m["To"]], m["Subject"]) for m in mails()),
                         sorted(([p], "Reminder: for " + p) for p in people))

    def test_what_is_refused_at_each_step_is_tried_later_and_later_and_arrives_once(self):
        self.addCleanup(self.mail.refuse)
        self.mail.refuse(Sender=451)
        task = self.reminded("refused")
        self.wait_failed(task, 1, "451", 30)
        self.mail.refuse(Recipient=552)
        self.try_now(task)
        self.wait_failed(task, 2, "552", 120)
        self.mail.refuse(Authentication=535)
        self.try_now(task)
        self.wait_failed(task, 3, "535", 600)
        self.assertEqual(self.mail.mails(lambda a: a == self.user), [])
        self.mail.refuse()
        self.try_now(task)
        self.wait_sent(task, 4)
        self.assert_arrived("refused")

    def test_a_server_that_nobody_vouches_for_gets_neither_login_nor_mail(self):
        self.addCleanup(self.sidecar_with, **self.locked)
        self.sidecar_with(SSL_CERT_FILE=None)
        before = self.steps()
        task = self.reminded("unknown authority")
        self.wait_failed(task, 1, "certificate", 30)
        self.assertEqual(self.steps()[len(before):], ["STARTTLS"])
        self.sidecar_with(**self.locked)
        self.try_now(task)
        self.wait_sent(task, 2)
        self.assert_arrived("unknown authority")

    def test_a_server_without_tls_and_login_gets_its_mail(self):
        self.addCleanup(self.sidecar_with, **self.locked)
        self.addCleanup(self.mail.start, locked=True)
        self.mail.start(locked=False)
        self.sidecar_with(SMTP_USER=None, SMTP_PASSWORD=None, SSL_CERT_FILE=None)
        before = self.steps()
        task = self.reminded("in the open")
        self.wait_sent(task, 1)
        self.assertEqual(self.steps()[len(before):][:2], ["MAIL", "RCPT"])
        self.assert_arrived("in the open")

    def test_a_server_that_is_away_gets_its_mail_when_it_is_back(self):
        self.addCleanup(self.mail.start, locked=True)
        self.cluster.kill("mailpit")
        task = self.reminded("away")
        self.wait_failed(task, 1, "refused", 30)
        self.mail.start(locked=True)
        self.try_now(task)
        self.wait_sent(task, 2)
        self.assert_arrived("away")


if __name__ == "__main__":
    unittest.main()
