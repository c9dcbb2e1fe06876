#!/usr/bin/env python3
"""Measures answers of the chat without a model: every sentence of the specs' lists, one after another, as new
users say them. Runs alone, or as a part of bench/run; bench/README.md names the keys."""

import http.client
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(ROOT, "spec", "support"))
import reload  # noqa: E402
import system  # noqa: E402

system.DURABLE = True

PER_USER = 20   # sentences of one conversation
LISTS = ("corpus.groups", "people_add", "people_change", "people_talk", "people_second", "people_third",
         "people_fourth", "people_fifth", "people_sixth")


def sentences():
    """What the lists of spec/rules have people say."""
    program = ["local all = {}"]
    for name in LISTS:
        module, _, field = name.partition(".")
        program.append(f"local list = require('spec.rules.chat_{module}'){'.' + field if field else ''}\n"
                       "for _, group in ipairs(list) do for _, case in ipairs(group.sentences) do\n"
                       "  io.write((case[1]:gsub('[%c]', ' ')), '\\n') end end list = nil")
    path = f"{ROOT}/?.lua;{ROOT}/scripts/?.lua;;"
    done = subprocess.run(["luajit", "-joff", "-e", "\n".join(f"do {part} end" for part in program)],
                          env={**os.environ, "LUA_PATH": path}, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line.strip()]


def ask_all(host, said, path, body_of):
    """How long each answer took, in ms, the shortest first."""
    line = http.client.HTTPConnection("127.0.0.1", host.base, timeout=60)
    taken, head = [], {}
    for i, text in enumerate(said):
        user = f"bench-{i // PER_USER}"
        if i % PER_USER == 0:
            head = {"Authorization": "Bearer " + system.token(user), "Content-Type": "application/json"}
        began = time.monotonic()
        line.request("POST", path.format(user=user), json.dumps(body_of(text)), head)
        reply = line.getresponse()
        reply.read()
        if reply.status not in (200, 201):
            raise RuntimeError(f"{path} answered {reply.status} to {text!r}")
        taken.append((time.monotonic() - began) * 1000)
    line.close()
    return sorted(taken)


def rule_ms(host):
    """CPU and waiting of rules for each message: what understanding and wording take."""
    text = host.get("/metrics", token=None).body.decode()

    def total(suffix, rule):
        return sum(float(value) for value in re.findall(
            rf'^\w*rules_call_seconds_{suffix}{{[^}}]*rule="{re.escape(rule)}"[^}}]*}} (\S+)', text, re.M))
    return sum(1000 * total("sum", rule) / total("count", rule) for rule in ("chat.understand", "chat_answers.render"))


def measure(figures, say):
    said = sentences()
    say(f"(g) the chat's answers: {len(said)} sentences")
    folder = reload.Folder(False)
    host = None
    try:
        host = reload.start_host(folder.place, WORKERS="1")
        ask_all(host, said[:100], "/api/{user}/chat", lambda text: {"message": text})
        chat = ask_all(host, said, "/api/{user}/chat", lambda text: {"message": text})
        create = ask_all(host, said, "/api/tasks", lambda text: {"title": "Buy milk"})
        figures["chat_p50_ms"] = round(reload.percentile(chat, 0.5), 2)
        figures["chat_p99_ms"] = round(reload.percentile(chat, 0.99), 2)
        figures["chat_rules_ms"] = round(rule_ms(host), 3)
        figures["chat_to_create"] = round(reload.percentile(chat, 0.5) / reload.percentile(create, 0.5), 2)
        say(f"  p50 {figures['chat_p50_ms']} ms, p99 {figures['chat_p99_ms']} ms, of it in rules {figures['chat_rules_ms']} ms;"
            f" {figures['chat_to_create']} times a create over HTTP")
    finally:
        if host:
            reload.end_host(host)
        folder.remove()


if __name__ == "__main__":
    result = {}
    measure(result, lambda text: print(text, flush=True))
    print(json.dumps(result))
