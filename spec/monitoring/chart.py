"""What is in charts/monitoring: the queries of the dashboards, the rules, and the series that an expression needs."""

import glob
import json
import os
import re

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHART = os.path.join(ROOT, "charts", "monitoring")
RULES = sorted(glob.glob(os.path.join(CHART, "rules", "*.yaml")))
LOOK_BACK = "30m"   # longer than the specs take on a slow machine: what happened first is still in it
VARIABLES = {"$__rate_interval": LOOK_BACK, "$__range": LOOK_BACK, "$namespace": "default", "$service": ".+"}
KEYWORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "inf", "nan"}
DASHBOARDS = sorted(glob.glob(os.path.join(CHART, "dashboards", "*.json")))


def with_values(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    if "$" in expression:
        raise AssertionError(f"an unknown variable: {expression}")
    return expression


def panels(path):
    """[(title of the dashboard and of the panel, [query])]"""
    with open(path) as f:
        dashboard = json.load(f)
    return [(f"{dashboard['title']}, {panel['title']}", [with_values(target["expr"]) for target in panel["targets"]])
            for panel in dashboard["panels"] if panel["type"] != "row"]


def variable_selectors(path):
    """What the choices of a dashboard are read from."""
    with open(path) as f:
        choices = json.load(f)["templating"]["list"]
    return [with_values(re.fullmatch(r"label_values\((.*), \w+\)", one["definition"]).group(1)) for one in choices if one["type"] == "query"]


def rules():
    """Every rule of every file."""
    found = []
    for path in RULES:
        with open(path) as f:
            found += [rule for group in yaml.safe_load(f)["groups"] for rule in group["rules"]]
    return found


def groups():
    """The names of the groups of rules, those that record before those that ask what was recorded."""
    found = []
    for path in RULES:
        with open(path) as f:
            found += yaml.safe_load(f)["groups"]
    return [group["name"] for group in sorted(found, key=lambda group: any("alert" in rule for rule in group["rules"]))]


def alerts():
    return [rule for rule in rules() if "alert" in rule]


def selectors(expression):
    """The series that an expression reads, as selectors without a range."""
    found = []
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", expression)
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|([a-zA-Z_:][\w:]*)\s*(\{(?:[^}"]|"(?:[^"\\]|\\.)*")*\})?(\s*\()?|\[[^\]]*\]|\d[\w.]*', text):
        name, braces, call = match.group(1), match.group(2), match.group(3)
        if name and not call and name.lower() not in KEYWORDS:
            found.append(name + (braces or ""))
    return sorted(set(found))
