"""Each sample line under fixtures/logs has its verdict beside it."""

import re
import time
from pathlib import Path

import pytest

from maildoctor.maillog.catalogue import catalogue
from tests.maillog.lines import FIXTURES, samples, verdict

FILES = sorted(FIXTURES.glob("*.log"))
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT")
TRADITIONAL = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_sample_has_its_verdict(path: Path) -> None:
    wrong = [(want, got, line) for want, line in samples(path) if (got := verdict(line)) != want]
    assert not wrong


def test_every_message_has_samples_in_both_time_formats() -> None:
    known = catalogue().messages
    forms: dict[str, set[str]] = {}
    for path in FILES:
        for want, line in samples(path):
            form = "rfc3339" if RFC3339.match(line) else "traditional" if TRADITIONAL.match(line) else "none"
            forms.setdefault(want, set()).add(form)
    pasted = {"reply", "disconnect", "ehlo"}
    silent = {name for name, each in known.items() if each.silent}
    lacking = {
        name
        for name, each in known.items()
        if name not in silent
        and not pasted & set(each.programs)
        and not {"rfc3339", "traditional"} <= forms.get(name, set())
    }
    assert lacking <= {
        "reason-challenge",
        "reason-plaintext-store",
        "relay-denied-logged-in",
        "sender-denied-logged-in",
        "lookup-failure",
    }


def test_every_cause_that_a_message_names_is_told() -> None:
    known = catalogue()
    named = {code for each in known.messages.values() for codes in each.causes.values() for code in codes}
    assert named <= set(known.causes)


def test_every_explained_message_exists() -> None:
    known = catalogue().messages
    assert {name for each in known.values() for name in each.explains} <= set(known)


def test_no_text_takes_long_to_recognise() -> None:
    known = catalogue()
    begun = time.process_time()
    for message in known.messages.values():
        for text in message.texts:
            first, *literals = re.split(r"\{[*\w]+\}", text)
            for repeated in (*literals, " ", "".join(literals)):
                known.recognise(message.programs[0], (first + 2000 * (repeated or " "))[:2000] + "!")
    assert time.process_time() - begun < 8
