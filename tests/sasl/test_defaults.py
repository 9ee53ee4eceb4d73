"""/etc/default/saslauthd, as dash and as systemd read it."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maildoctor.sasl.defaults import Defaults, read_as_environment, read_as_shell

PATH = "/etc/default/saslauthd"


def values(defaults: Defaults) -> dict[str, str]:
    return {name: sourced.value for name, sourced in defaults.variables.items()}


SAME = """\
# START=no
START=yes # really
MECHANISMS="pam"
MECH_OPTIONS=''
OPTIONS="-c \\
-m /var/run/saslauthd"
THREADS=5; NAME=x
THREADS=7
"""


@pytest.mark.skipif(shutil.which("dash") is None, reason="compares with dash")
@pytest.mark.parametrize(
    "text",
    [
        SAME,
        'A=b\nOPTIONS="-m $A/$A ${A}"\n',
        "OPTIONS='-m $A'\n",
        "OPTIONS=-m\\ /x\n",
        "OPTIONS=-c -m /x\n",
        "MECHANISMS = pam\n",
        "export MECHANISMS=pam\n",
        'START="y"es\n',
        "START=yes\r\n",
        '"START"=yes\nMECHANISMS=\'a\'"b"c\n',
    ],
)
def test_as_dash_reads_it(text: str, tmp_path: Path) -> None:
    file = tmp_path / "saslauthd"
    file.write_bytes(text.encode())
    names = ("START", "MECHANISMS", "MECH_OPTIONS", "OPTIONS", "THREADS")
    script = f'. "$1" 2>/dev/null; printf "%s\\0" {" ".join(f"${{{name}}}" for name in names)}'.replace(
        "${", '"${'
    ).replace("}", '}"')
    command = ["env", "-i", shutil.which("dash") or "dash", "-c", script, "dash", str(file)]
    said = subprocess.run(command, capture_output=True, check=True).stdout.decode().split("\0")
    read = values(read_as_shell(text, PATH))
    assert [read.get(name, "") for name in names] == said[:-1]


def test_an_unquoted_value_is_a_command() -> None:
    defaults = read_as_shell("START=yes\nOPTIONS=-c -m /var/spool/postfix/var/run/saslauthd\n", PATH)
    assert values(defaults) == {"START": "yes"}
    assert [(each.line, each.fatal) for each in defaults.complaints] == [(2, False)]


def test_an_open_quote_ends_the_reading() -> None:
    defaults = read_as_shell('START=yes\nOPTIONS="-c\nMECHANISMS=pam\n', PATH)
    assert values(defaults) == {"START": "yes"}
    assert defaults.fatal is not None
    assert (defaults.fatal.line, defaults.fatal.text) == (2, 'OPTIONS="-c')


@pytest.mark.parametrize(
    "text",
    [
        "START=$(id)\n",
        "START=`id`\n",
        "[ -f /x ] && START=yes\n",
        "if x; then\nSTART=yes\nfi\n",
        ". /etc/x\n",
    ],
)
def test_what_only_running_would_tell_is_unknown(text: str) -> None:
    assert "START" in read_as_shell(text, PATH).unknown


def test_a_later_plain_line_makes_it_known_again() -> None:
    assert read_as_shell("START=$(id)\nSTART=yes\n", PATH).unknown == set()


def test_as_systemd_reads_it() -> None:
    text = (
        '# comment\n; comment\nMECHANISMS="pam" # one\nOPTIONS=-c -m /x \nTHREADS = 5\nexport NAME=x\n'
        'MECH_OPTIONS=\'-O a\'\nDESC="a\\"b"\nSTART=$(id)\n'
    )
    defaults = read_as_environment(text, PATH)
    assert values(defaults) == {
        "MECHANISMS": "pam# one",
        "OPTIONS": "-c -m /x",
        "THREADS": "5",
        "MECH_OPTIONS": "-O a",
        "DESC": 'a"b',
        "START": "$(id)",
    }
    assert [(each.line, each.text) for each in defaults.complaints] == [(6, "export NAME=x")]


def test_an_open_quote_swallows_what_follows_for_systemd() -> None:
    defaults = read_as_environment('MECHANISMS="pam\nOPTIONS="-c"\n', PATH)
    assert values(defaults) == {"MECHANISMS": 'pam\nOPTIONS=-c"'}
    assert [each.line for each in defaults.complaints] == [1]


@given(st.text(alphabet="AS=\"'\\$`(){}; \n#&|x", max_size=80))
def test_any_text_is_read(text: str) -> None:
    read_as_shell(text, PATH)
    read_as_environment(text, PATH)


@pytest.mark.skipif(shutil.which("dash") is None, reason="compares with dash")
@pytest.mark.parametrize(
    "text",
    [
        "A=1\nif true; then\nSTART=yes\n",
        "if true; then\nSTART=yes\nfi\n",
        "case $(hostname) in\na*) START=no ;;\n(b) START=yes;;\nesac\n",
        "fi\n",
        "START=yes)\n",
        "(START=no)\nSTART=yes\n",
        "f() { START=no; }\nSTART=yes\n",
        "while true; do\nSTART=yes\nfi\n",
        "for i in a b; do START=$i; done\n",
        "START=$(cat /dev/null)\n",
        "foo bar(\n",
    ],
)
def test_what_dash_refuses_is_refused(text: str) -> None:
    refused = subprocess.run(["dash", "-n"], input=text, text=True, capture_output=True).returncode != 0
    assert (read_as_shell(text, PATH).fatal is not None) == refused
