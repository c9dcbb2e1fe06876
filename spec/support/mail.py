"""A mail server for specs: it takes every mail and remembers it."""

import email
import email.policy
import socketserver
import threading

from system import free_port


class Mail:
    def __init__(self, sender, to, text):
        self.sender, self.to, self.text = sender, to, text
        parsed = email.message_from_string(text, policy=email.policy.default)
        self.subject = str(parsed["Subject"])
        self.headers = parsed
        self.html = parsed.get_content().rstrip("\r\n")


class MailServer:
    def __init__(self, port=None):
        port = port or free_port()    # one that is still there when it is started again
        self.messages = []
        self.refuse = None      # a line such as "451 later", said to RCPT
        owner = self

        class Handler(socketserver.StreamRequestHandler):
            def say(self, line):
                self.wfile.write(line.encode() + b"\r\n")

            def handle(self):
                self.say("220 spec")
                sender, to = "", []
                while line := self.rfile.readline().decode().strip():
                    word = line.upper()
                    if word.startswith(("EHLO", "HELO")):
                        self.say("250 spec")
                    elif word.startswith("MAIL FROM:"):
                        sender, to = line.split("<", 1)[1].split(">")[0], []
                        self.say("250 ok")
                    elif word.startswith("RCPT TO:"):
                        to.append(line.split("<", 1)[1].split(">")[0])
                        self.say(owner.refuse or "250 ok")
                    elif word == "DATA":
                        self.say("354 go")
                        lines = []
                        while (text := self.rfile.readline().decode()) != ".\r\n":
                            lines.append(text[1:] if text.startswith("..") else text)
                        owner.messages.append(Mail(sender, to, "".join(lines)))
                        self.say("250 taken")
                    elif word == "QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 ok" if word in ("RSET", "NOOP") else "502 no")

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 64
        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
