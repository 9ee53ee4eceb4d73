"""Files that are not what they should be: each gives one clear line that names it, and never health."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from maildoctor.check import Status
from maildoctor.diagnosis import Diagnosis, Verdict, diagnose
from maildoctor.host import TreeHost
from tests.trees.tree import as_root, check, grow

pytestmark = as_root

SECONDS = 5
NOISE = random.Random(1).randbytes(12_288)
KINDS: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "a directory": Path.mkdir,
    "a FIFO": os.mkfifo,
    "a device": lambda path: os.mknod(path, 0o020644, os.makedev(1, 5)),
    "a link loop": lambda path: path.symlink_to(path.name),
    "20 MB long": lambda path: path.write_bytes(b"postfix = yes\n" * 1_500_000),
    "noise": lambda path: path.write_bytes(NOISE),
    "UTF-16": lambda path: path.write_bytes("mech_list: PLAIN\nSTART=yes\n".encode("utf-16")),
    "empty": Path.touch,
}
SMTPD_CONF, SASLDB, STATUS = (
    "etc/postfix/sasl/smtpd.conf",
    "var/spool/postfix/etc/sasldb2",
    "var/lib/dpkg/status",
)
DEFAULTS, MAIN_CF, MASTER_CF = "etc/default/saslauthd", "etc/postfix/main.cf", "etc/postfix/master.cf"
# No smtpd.conf, or an empty one, means sasldb2, which is there.
CASES = [(SMTPD_CONF, "sasldb", kind) for kind in KINDS if kind not in ("missing", "empty", "a link loop")]
CASES += [(SASLDB, "sasldb", kind) for kind in KINDS]
CASES += [(DEFAULTS, "saslauthd", kind) for kind in KINDS]
CASES += [(STATUS, "saslauthd", kind) for kind in KINDS]
CASES += [(path, "saslauthd", kind) for path in (MAIN_CF, MASTER_CF) for kind in KINDS if kind != "empty"]


def grown(root: Path, layer: str) -> Path:
    return grow(root, "debian-11/common", f"debian-11/{layer}")


def spoil(path: Path, kind: str) -> None:
    path.unlink()
    KINDS[kind](path)


def words_of(found: Diagnosis) -> str:
    """Everything that a diagnosis says."""
    findings = (*found.root_causes, *found.consequences)
    sources = [line.source for finding in findings for line in finding.evidence]
    said = [f"{finding.summary} {finding.subject}" for finding in findings]
    return "\n".join((*sources, *said, *(each.reason for each in found.unjudged)))


@pytest.mark.parametrize(("path", "layer", "kind"), CASES, ids=[f"{case[0]} {case[2]}" for case in CASES])
def test_what_is_no_such_file_is_named_in_seconds(tmp_path: Path, path: str, layer: str, kind: str) -> None:
    root = grown(tmp_path, layer)
    spoil(root / path, kind)
    begun = time.monotonic()
    found = diagnose(TreeHost(str(root)))
    assert time.monotonic() - begun < SECONDS
    assert found.verdict not in (Verdict.HEALTHY, Verdict.OFF)
    assert [each.reason for each in found.results if each.status is Status.CRASHED] == []
    assert path in words_of(found)


@pytest.mark.parametrize(
    ("path", "kind"), [(MAIN_CF, "a FIFO"), (DEFAULTS, "a directory"), (STATUS, "noise")]
)
def test_what_cannot_be_judged_ends_with_3_and_one_line(tmp_path: Path, path: str, kind: str) -> None:
    root = grown(tmp_path, "saslauthd")
    spoil(root / path, kind)
    status, report, _ = check(root)
    assert (status, report["verdict"], report["root_causes"]) == (3, "unknown", [])
    words = [sys.executable, "-m", "maildoctor", "check", "--root", str(root), "--color", "never"]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=20)
    assert ran.returncode == 3
    assert f"/{path}" in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr


@pytest.mark.parametrize("package", ["libc6", "libsasl2-modules", "postfix", "sasl2-bin"])
@pytest.mark.parametrize("field", ["Status: install ok inst", "Version: 3."])
def test_a_status_file_that_is_cut_off_in_a_package(tmp_path: Path, package: str, field: str) -> None:
    root = grown(tmp_path, "saslauthd")
    text = (root / STATUS).read_text()
    begin = text.index(f"Package: {package}\n")
    name = field.partition(" ")[0]
    (root / STATUS).write_text(text[: text.index(name, begin)] + field)
    found = diagnose(TreeHost(str(root)))
    assert found.verdict is not Verdict.HEALTHY
    assert "is cut off in line" in words_of(found)
    assert [each.reason for each in found.results if each.status is Status.CRASHED] == []


@pytest.mark.parametrize("line", ['MECHANISMS="pam', "START=yes)", "OPTIONS='-c -m", "START=`echo yes"])
def test_a_syntax_error_in_default_saslauthd_is_named_by_line(tmp_path: Path, line: str) -> None:
    root = grown(tmp_path, "saslauthd")
    with (root / DEFAULTS).open("a") as file:
        file.write(f"{line}\n")
    number = len((root / DEFAULTS).read_text().splitlines())
    found = diagnose(TreeHost(str(root)))
    assert [each.code for each in found.root_causes] == ["saslauthd-defaults-syntax"]
    assert f"/{DEFAULTS}:{number}" in words_of(found)


@pytest.mark.parametrize("command", ["$(touch {})", "`touch {}`", "; touch {}", "\ntouch {}\n"])
def test_default_saslauthd_is_never_run(tmp_path: Path, command: str) -> None:
    (tmp_path / "root").mkdir()
    root, trace = grown(tmp_path / "root", "saslauthd"), tmp_path / "trace"
    with (root / DEFAULTS).open("a") as file:
        file.write(f"DESC={command.format(trace)}\n")
    diagnose(TreeHost(str(root)))
    assert not trace.exists()


def test_no_postfix_and_no_debian_at_all(tmp_path: Path) -> None:
    status, report, _ = check(tmp_path)
    assert (status, report["verdict"]) == (3, "unknown")


def test_no_user_postfix(tmp_path: Path) -> None:
    root = grown(tmp_path, "saslauthd")
    lines = (root / "etc/passwd").read_text().splitlines(keepends=True)
    (root / "etc/passwd").write_text("".join(line for line in lines if not line.startswith("postfix:")))
    found = diagnose(TreeHost(str(root)))
    assert found.verdict is not Verdict.HEALTHY
    assert "/etc/passwd" in words_of(found)


def test_reading_a_tree_changes_nothing(tmp_path: Path) -> None:
    """Reading changes nothing: not even a time."""
    root = grown(tmp_path, "sasldb")
    before = {path: (path.lstat().st_mtime_ns, path.lstat().st_atime_ns) for path in root.rglob("*")}
    diagnose(TreeHost(str(root)))
    files = {path: times for path, times in before.items() if path.is_file() and not path.is_symlink()}
    assert {path: (path.lstat().st_mtime_ns, path.lstat().st_atime_ns) for path in files} == files
