"""What the end of a log says for ``check``."""

from pathlib import Path

import pytest

from maildoctor.host import CannotLook, TreeHost
from maildoctor.maillog import evidence
from maildoctor.maillog.evidence import recent_evidence
from tests.maillog.test_judge import broken, healthy, line, refused


def host_with(tmp_path: Path, lines: list[str], name: str = "mail.log") -> TreeHost:
    log = tmp_path / "var" / "log" / name
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("\n".join(lines) + "\n")
    return TreeHost(str(tmp_path))


def test_each_candidate_is_a_witness(tmp_path: Path) -> None:
    host = host_with(tmp_path, [*healthy(), *broken(700), *broken(720)])
    witnesses = {each.code: each for each in recent_evidence(host)}
    witness = witnesses["postfix-not-in-group-sasl"]
    assert (witness.count, witness.errno) == (2, "Permission denied")
    assert (witness.first, witness.last) == ("2026-11-07T10:11:40+01:00", "2026-11-07T10:12:00+01:00")
    assert witness.services == ("submission",)
    assert "cannot connect to saslauthd server: Permission denied" in witness.sample
    assert not witness.truncated
    assert "saslauthd-directory-impassable" in witnesses


def test_only_the_end_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "TAIL", 2000)
    host = host_with(tmp_path, [*broken(), *healthy(), *broken(700)])
    witness = next(each for each in recent_evidence(host) if each.code == "postfix-not-in-group-sasl")
    assert (witness.count, witness.truncated) == (1, True)


def test_refusals_stand_for_silent_faults_where_nobody_gets_in(tmp_path: Path) -> None:
    host = host_with(tmp_path, [line(1, refused("localhost[127.0.0.1]", "hoge"))])
    assert "sasldb-missing-in-chroot" in {each.code for each in recent_evidence(host)}
    host = host_with(tmp_path, [*healthy(), line(900, refused("localhost[127.0.0.1]", "hoge"))])
    assert "sasldb-missing-in-chroot" not in {each.code for each in recent_evidence(host)}


def test_the_file_that_postfix_was_told_comes_first(tmp_path: Path) -> None:
    host_with(tmp_path, broken(), "postfix.log")
    host = host_with(tmp_path, list(healthy()))
    assert recent_evidence(host, "/var/log/postfix.log")
    assert not recent_evidence(host)


def test_without_a_log_a_tree_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(CannotLook):
        recent_evidence(TreeHost(str(tmp_path)))
