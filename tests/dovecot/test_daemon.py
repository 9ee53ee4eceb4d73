"""Dovecot's master, its configuration's acceptance, and who listens: a running host, as files and answers."""

from pathlib import Path

import pytest

from maildoctor.dovecot.daemon import complaint, halted, installed, master_pid
from maildoctor.dovecot.socket import listened_on, listening
from maildoctor.host import CommandMissing, NeedsLiveHost, TreeHost
from maildoctor.host.live import Output

UNIX = """\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 31313 /var/spool/postfix/private/auth
0000000000000000: 00000003 00000000 00000000 0001 03 31414 /run/dovecot/auth-client
0000000000000000: 00000002 00000000 00010000 0001 01 31515 @abstract
0000000000000000: 00000003 00000000 00000000 0001 03 31616
"""
REFUSED = """\
doveconf: Warning: something is deprecated
doveconf: Fatal: Error in configuration file /etc/dovecot/conf.d/99-wrong.conf line 1: Unknown setting: x
"""


class Running(TreeHost):
    """A tree that passes for a running host; ``answer`` is what its only command says."""

    live = True
    answer: Output | None = None

    def run(self, *command: str, timeout: float = 3.0) -> Output:
        if self.answer is None:
            raise CommandMissing(command[0])
        return self.answer


def running(root: Path, **files: str) -> Running:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Running(str(root))


@pytest.mark.parametrize(
    ("files", "pid"),
    [
        ({"run/dovecot/master.pid": "77\n", "proc/77/comm": "dovecot\n"}, 77),
        ({"run/dovecot/master.pid": "77\n", "proc/77/comm": "bash\n"}, None),
        ({"run/dovecot/master.pid": "77\n"}, None),
        ({"run/dovecot/master.pid": "../../etc\n"}, None),
        ({}, None),
        (
            {
                "etc/dovecot/dovecot.conf": "base_dir = /srv/dovecot\n",
                "srv/dovecot/master.pid": "78",
                "proc/78/comm": "dovecot\n",
            },
            78,
        ),
    ],
)
def test_the_pid_file_counts_only_with_its_process(
    tmp_path: Path, files: dict[str, str], pid: int | None
) -> None:
    assert master_pid(running(tmp_path, **files)) == pid


@pytest.mark.parametrize(
    ("master", "auth", "found"),
    [
        ("S", "S", ()),
        ("T", "S", ()),
        ("S", "T", (79,)),
        ("T", "t", (79,)),
        ("T", None, (77,)),
        ("S", None, ()),
    ],
)
def test_whose_stop_leaves_nobody_to_answer(
    tmp_path: Path, master: str, auth: str | None, found: tuple[int, ...]
) -> None:
    files = {"run/dovecot/master.pid": "77\n", "proc/77/comm": "dovecot\n"}
    files |= {"proc/77/task/77/children": "78 79 80 ", "proc/77/stat": f"77 (dovecot) {master} 1 77"}
    files["proc/78/stat"] = "78 (anvil) T 77 77"
    if auth:
        files["proc/79/stat"] = f"79 (auth) {auth} 77 77"
    assert halted(running(tmp_path, **files)) == found


def test_a_tree_runs_nothing(tmp_path: Path) -> None:
    with pytest.raises(NeedsLiveHost):
        master_pid(TreeHost(str(tmp_path)))
    with pytest.raises(NeedsLiveHost):
        listening(TreeHost(str(tmp_path)))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, None),
        (Output(0, "", "doveconf: Warning: something is deprecated\n"), None),
        (Output(89, "", REFUSED), REFUSED.splitlines()[1]),
        (Output(1, "", ""), "doveconf: exit status 1"),
    ],
)
def test_the_line_with_which_doveconf_refuses(
    tmp_path: Path, answer: Output | None, said: str | None
) -> None:
    host = running(tmp_path)
    host.answer = answer
    assert complaint(host) == said


def test_only_listening_sockets_with_a_path_count(tmp_path: Path) -> None:
    host = running(tmp_path, **{"proc/net/unix": UNIX, "usr/sbin/dovecot": ""})
    assert listening(host) == frozenset({"/var/spool/postfix/private/auth"})
    assert installed(host)


def test_a_socket_bound_through_another_name_is_listened_on(tmp_path: Path) -> None:
    bound = UNIX.replace("/var/spool/postfix/private/auth", "/queue/private/auth")
    host = running(tmp_path, **{"proc/net/unix": bound, "var/spool/postfix/private/auth": ""})
    (tmp_path / "queue").symlink_to("/var/spool/postfix")
    assert listened_on(host, "/var/spool/postfix/private/auth")
    assert not listened_on(host, "/var/spool/postfix/private/other")
