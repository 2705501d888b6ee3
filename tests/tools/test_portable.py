"""The book's code runs on Windows and macOS: no import, call, path or encoding that only Linux has."""

import ast
import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.harness import record
from tests.tools.portable import ATTRIBUTES
from tools.pages import ROOT

PACKAGES = ("helpers", "tools", "experiments")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "runs" not in path.parts)
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in FILES}
ABSOLUTE = re.compile(r"^(/(tmp|home|root|usr|var|etc|proc|dev|sys|opt|mnt|content)\b|[A-Za-z]:\\)")
# Their `open` gets no text, or no file.
OTHERS = {"Image", "os", "webbrowser", "zipfile", "tarfile", "wave"}
ONLY_SOME = {f"{module.__name__}.{name}" for module, names in ATTRIBUTES.items() for name in names}
LAST_PARTS = {name.rpartition(".")[2] for name in ONLY_SOME}


def found(rule, nodes):
    """Return the lines of a module that break a rule, with what stands there; given are its nodes."""
    return [f"line {node.lineno}: {ast.unparse(node)[:80]}" for node in nodes if rule(node)]


def nodes_of(text):
    """Return all nodes of a module's text."""
    return [*ast.walk(ast.parse(text))]


@functools.cache
def all_found():
    """Return rule → file → the lines that break it; each file is parsed once for all rules."""
    lines = {rule: {} for rule in RULES}
    for name, text in TEXTS.items():
        nodes = nodes_of(text)
        for rule in RULES:
            lines[rule][name] = found(rule, nodes)
    return lines


def lacks_encoding(node):
    """Say whether a call opens, reads or writes a text file in whatever encoding the system prefers."""
    if not isinstance(node, ast.Call):
        return False
    name, owner = called(node)
    if name not in ("open", "read_text", "write_text") or owner in OTHERS:
        return False
    given = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    binary = name == "open" and any(re.fullmatch(r"[rwax+]*b[rwax+]*", str(value)) for value in given)
    return not (binary or "utf-8" in given or any(keyword.arg == "encoding" for keyword in node.keywords))


def lacks_text_encoding(node):
    """Say whether a call takes a process's output as text in whatever encoding the system prefers."""
    if not isinstance(node, ast.Call) or called(node)[0] not in ("run", "Popen", "check_output"):
        return False
    keywords = {keyword.arg for keyword in node.keywords}
    return bool(keywords & {"text", "universal_newlines"}) and "encoding" not in keywords


def called(call):
    """Return the name of what is called, and that of its owner."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr, getattr(function.value, "id", "")
    return getattr(function, "id", ""), ""


def joins_by_hand(node):
    """Say whether a path is put together of texts."""
    if not isinstance(node, ast.Call):
        return False
    texts = [argument for argument in node.args if isinstance(argument, (ast.JoinedStr, ast.BinOp))]
    parts = [part.value for text in texts for part in ast.walk(text) if isinstance(part, ast.Constant)]
    return called(node)[0] in ("Path", "open") and any("/" in str(part) for part in parts)


def uses_os_path(node):
    """Say whether a path is put together without pathlib."""
    return isinstance(node, ast.Attribute) and node.attr == "join" and ast.unparse(node) == "os.path.join"


def is_absolute(node):
    """Say whether a text is a place that other systems lack."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(ABSOLUTE.match(node.value))


def is_only_somewhere(node):
    """Say whether a name is used that not all systems have; `getattr(os, ..., other)` says what happens there."""
    return isinstance(node, ast.Attribute) and node.attr in LAST_PARTS and ast.unparse(node) in ONLY_SOME


# A module that asks for Linux may use what only Linux has.
BEHIND_A_QUESTION = (is_absolute, is_only_somewhere)
ASKS = 'sys.platform == "linux"'
RULES = (lacks_encoding, lacks_text_encoding, joins_by_hand, uses_os_path, is_absolute, is_only_somewhere)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_module_needs_one_system(rule):
    free = {name for name, text in TEXTS.items() if ASKS in text and rule in BEHIND_A_QUESTION}
    broken = {name: lines for name, lines in all_found()[rule].items() if name not in free}
    assert {name: lines for name, lines in broken.items() if lines} == {}


@pytest.mark.parametrize(
    ("rule", "wrong", "right"),
    [
        (lacks_encoding, "open('a'); p.read_text(); p.open('a'); p.write_text('b')", "open('a', 'rb')"),
        (
            lacks_encoding,
            "p.open()",
            "p.open('wb'); p.read_text('utf-8'); p.read_text(encoding='utf-8'); Image.open(p)",
        ),
        (
            lacks_text_encoding,
            "run(['a'], text=True)",
            "run(['a'], text=True, encoding='utf-8'); run(['a']); f(text=a)",
        ),
        (joins_by_hand, "Path(f'{a}/b'); open(a + '/b', encoding='utf-8')", "Path(a) / 'b'; Path(f'{a}.md'); f'{a}/b'"),
        (uses_os_path, "os.path.join(a, b)", "os.path.isdir(a)"),
        (is_absolute, "'/usr/a'; 'C:\\\\a'", "'a/tmp'; 'https://example.org'"),
        (is_only_somewhere, "os.fork(); signal.SIGKILL", "getattr(os, 'sched_getaffinity', None); process.kill()"),
    ],
)
def test_rules_find_what_they_are_for(rule, wrong, right):
    assert len(found(rule, nodes_of(wrong))) == wrong.count(";") + 1
    assert found(rule, nodes_of(right)) == []


def module(path):
    """Return the name that a file is imported by."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_every_module_can_be_imported_where_those_are_missing():
    script = Path(__file__).with_name("portable.py")
    elsewhere = {"__main__", "torch_peer"}  # the latter needs PyTorch, which has an environment of its own
    names = [module(path) for path in FILES if path.stem not in elsewhere]
    command = [sys.executable, "-W", "ignore", script, *names]
    done = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert json.loads(done.stdout.splitlines()[-1]) == {}


def test_cores_are_numbered_where_the_system_does_not_tell_them(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert record.cores() == list(range(os.cpu_count()))
