"""saslauthd's arguments, instances, unit; PAM's stacks."""

from pathlib import Path

import pytest

from maildoctor.host import TreeHost
from maildoctor.sasl import pam, saslauthd_daemon
from maildoctor.sasl.saslauthd import instances, main_instance, reads_start
from maildoctor.sasl.saslauthd_arguments import Arguments, parse
from maildoctor.sasl.saslauthd_daemon import Daemon, at_boot, daemons, has_unit_of_the_admin
from maildoctor.sasl.saslauthd_ownership import as_made
from maildoctor.sasl.saslauthd_unit import unit

SCRIPT = 'if [ "$START" != "yes" ]; then\n'
UNIT = """\
[Service]
Type=forking
PIDFile=/var/run/saslauthd/saslauthd.pid
ExecStart=/usr/sbin/saslauthd -a $MECHANISMS $MECH_OPTIONS $OPTIONS -n $THREADS
RuntimeDirectory=saslauthd
"""
DEFAULTS = 'MECHANISMS="pam"\nMECH_OPTIONS=""\nTHREADS=5\nOPTIONS="-c -m /var/run/saslauthd"\n'


def host(root: Path, files: dict[str, str]) -> TreeHost:
    for path, text in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return TreeHost(str(root))


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("-a pam -c -m /x -n 5", Arguments("pam", directory="/x", cache=True)),
        ("-apam -cm/x", Arguments("pam", directory="/x", cache=True)),
        ("-a pam shadow -r", Arguments("pam", combine_realm=True)),
        ("-a rimap -O imap.example.com", Arguments("rimap", option="imap.example.com")),
        ("-a -c -m /x", Arguments("-c", directory="/x")),
        ("-a pam -a shadow", Arguments("shadow", refused="-a given twice")),
        ("-a pam -n", Arguments("pam", refused="-n without a value")),
        ("-a pam -x", Arguments("pam", refused="-x")),
        ("-a pam -d", Arguments("pam", foreground=True)),
    ],
)
def test_arguments(line: str, arguments: Arguments) -> None:
    assert parse(line.split()) == arguments


def test_the_socket_is_mux() -> None:
    assert Arguments("pam", directory="/x/").socket == "/x/mux"


def test_the_init_script_reads_start_and_every_instance(tmp_path: Path) -> None:
    files = {"/etc/init.d/saslauthd": SCRIPT, "/etc/default/saslauthd": DEFAULTS}
    files |= {"/etc/default/saslauthd-two": DEFAULTS + "START=yes\n", "/etc/default/saslauthd.bak": DEFAULTS}
    tree = host(tmp_path, files)
    assert reads_start(tree)
    assert [(each.path, each.starts, each.refused) for each in instances(tree)] == [
        ("/etc/default/saslauthd", False, ""),
        ("/etc/default/saslauthd-two", True, ""),
    ]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("-c", "OPTIONS has no -m with a directory behind it, as a word of its own"),
        ("-c -m/var/run/saslauthd", "OPTIONS has no -m with a directory behind it, as a word of its own"),
        ("-d -m /x", "OPTIONS begins with -d (debugging in the foreground)"),
        ("", ""),
    ],
)
def test_what_the_init_script_refuses(tmp_path: Path, options: str, why: str) -> None:
    files = {
        "/etc/init.d/saslauthd": SCRIPT,
        "/etc/default/saslauthd": f'MECHANISMS=pam\nOPTIONS="{options}"\n',
    }
    instance = main_instance(host(tmp_path, files))
    assert instance is not None
    assert instance.refused == why


def test_the_unit_reads_one_file_and_no_start(tmp_path: Path) -> None:
    files = {"/usr/lib/systemd/system/saslauthd.service": UNIT, "/etc/default/saslauthd": DEFAULTS}
    tree = host(tmp_path, {**files, "/etc/default/saslauthd-two": DEFAULTS, "/etc/init.d/saslauthd": SCRIPT})
    assert not reads_start(tree)
    assert [(each.path, each.words) for each in instances(tree)] == [
        ("/etc/default/saslauthd", ("-a", "pam", "-c", "-m", "/var/run/saslauthd", "-n", "5"))
    ]


def test_drop_ins_count_by_name(tmp_path: Path) -> None:
    base = "/etc/systemd/system/saslauthd.service.d"
    files = {"/usr/lib/systemd/system/saslauthd.service": UNIT}
    files |= {
        f"{base}/b.conf": "[Service]\nPIDFile=/b.pid\n",
        f"{base}/a.conf": "[Service]\nPIDFile=/a.pid\n",
    }
    found = unit(host(tmp_path, {**files, f"{base}/c.conf": "[Service]\nRuntimeDirectory=\n"}))
    assert found is not None
    assert str(found.pidfile.source) == f"{base}/b.conf:2"
    assert (found.pidfile.value, found.runtime_directories) == ("/b.pid", [])


def test_at_boot_by_start_link_or_by_wants_link(tmp_path: Path) -> None:
    assert not at_boot(host(tmp_path / "a", {"/etc/rc2.d/K01saslauthd": "", "/etc/systemd/system/x": ""}))
    assert at_boot(host(tmp_path / "b", {"/etc/rc2.d/S01saslauthd": ""}))
    native = {"/usr/lib/systemd/system/saslauthd.service": UNIT, "/etc/rc2.d/S01saslauthd": ""}
    assert not at_boot(host(tmp_path / "c", {**native, "/etc/systemd/system/x": ""}))
    link = "/etc/systemd/system/multi-user.target.wants/saslauthd.service"
    assert at_boot(host(tmp_path / "d", {**native, link: ""}))


@pytest.mark.parametrize(
    ("unit_name", "wanted", "own"),
    [
        ("saslauthd-mail", True, True),
        ("saslauthd-mail", False, False),
        ("saslauthd", True, False),
        ("", 1, False),
    ],
)
def test_a_unit_of_the_admin_starts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit_name: str, wanted: bool, own: bool
) -> None:
    base, file = "/etc/systemd/system", f"{unit_name}.service"
    link = {f"{base}/multi-user.target.wants/{file}": ""} if wanted else {}
    tree = host(tmp_path, {"/run/systemd/system/x": "", f"{base}/{file}": "[Service]\n", **link})
    monkeypatch.setattr(tree, "live", True)
    running = Daemon((7,), (), Arguments(), 1.0, "S", ("",), unit_name)
    tree.memory[(daemons.__wrapped__, ())] = ((running,), None)  # type: ignore[attr-defined]
    assert has_unit_of_the_admin(tree) is own


def test_the_directory_as_the_init_script_makes_it(tmp_path: Path) -> None:
    accounts = {"/etc/passwd": "root:x:0:0::/:/bin/sh\n", "/etc/group": "root:x:0:\nsasl:x:45:\n"}
    override = {"/var/lib/dpkg/statoverride": "root root 700 /x\nroot sasl 710 /var/run/saslauthd\n"}
    tree = host(tmp_path, {**accounts, **override})
    made = [as_made(tree, path) for path in ("/x", "/run/saslauthd", "/y")]
    assert [(step and (step.status.st_mode & 0o777, step.status.st_gid)) for step in made] == [
        (0o700, 0),
        (0o710, 45),
        (0o710, 45),
    ]


COMMON = """\
auth [success=1 default=ignore] pam_unix.so nullok
auth requisite pam_deny.so
auth required pam_permit.so
"""
MODULES = {
    f"/usr/lib/x86_64-linux-gnu/security/{name}": ""
    for name in ("pam_unix.so", "pam_deny.so", "pam_permit.so")
}


@pytest.mark.parametrize(
    ("text", "refused_at"),
    [
        (None, None),
        ("", None),
        ("@include common-auth\n", None),
        ("auth required pam_deny.so\n", "/etc/pam.d/smtp:1"),
        ("auth sufficient pam_unix.so\nauth required pam_deny.so\n", None),
        ("auth required pam_unix.so\nauth sufficient pam_deny.so\n", None),
        ("auth required pam_mysql.so\n", "/etc/pam.d/smtp:1"),
        ("auth sufficient pam_mysql.so\nauth required pam_unix.so\n", None),
        ("-auth required pam_mysql.so\nauth required pam_unix.so\n", None),
        ("auth require pam_unix.so\n", "/etc/pam.d/smtp:1"),
        ("atuh required pam_unix.so\n", "/etc/pam.d/smtp:1"),
        ("# x\n@include common_auth\n", "/etc/pam.d/common_auth"),
        ("auth \\\n required pam_unix.so\n", None),
        ("account required pam_deny.so\n", None),
    ],
)
def test_pam(tmp_path: Path, text: str | None, refused_at: str | None) -> None:
    files = {"/etc/pam.d/other": "@include common-auth\n", "/etc/pam.d/common-auth": COMMON, **MODULES}
    tree = host(tmp_path, files if text is None else {**files, "/etc/pam.d/smtp": text})
    rule = pam.refusal(tree, "smtp", "auth")
    assert (rule and str(rule.source)) == refused_at


def test_pam_includes_end(tmp_path: Path) -> None:
    tree = host(tmp_path, {"/etc/pam.d/smtp": "@include smtp\n@include smtp\n", **MODULES})
    assert pam.stack(tree, "smtp", "auth") == ()


@pytest.mark.parametrize(
    ("looks", "hangs"),
    [
        ([{1: frozenset({11}), 2: frozenset({12})}], True),
        ([{1: frozenset({11}), 2: frozenset({12})}, {1: frozenset({13}), 2: frozenset({12})}], False),
        ([{1: frozenset({11}), 2: frozenset({12})}, None], False),
        ([None], False),
    ],
)
def test_a_worker_hangs_that_keeps_its_connection(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    looks: list[dict[int, frozenset[int]] | None],
    hangs: bool,
) -> None:
    tree = TreeHost(str(tmp_path))
    monkeypatch.setattr(tree, "live", True)
    worker = Daemon((1, 2), (), parse(()), 0.0, "SS")
    tree.memory[(daemons.__wrapped__, ())] = ((worker,), None)  # type: ignore[attr-defined]
    monkeypatch.setattr(saslauthd_daemon, "HANGING", 0.05)
    monkeypatch.setattr(
        saslauthd_daemon, "_requests", lambda pids: looks.pop(0) if len(looks) > 1 else looks[0]
    )
    assert saslauthd_daemon.hang(tree) == hangs
