"""The PAM stack that saslauthd walks for SMTP: pam.d(5), pam.conf(5). Read, never tried.

The stack is judged as for a right password: every module says yes, except pam_deny, one that is not there,
one whose files refuse everybody, and a line that libpam cannot read. What even then ends in a refusal refuses
everybody.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from maildoctor.debian.accounts import groups, passwd
from maildoctor.fact import fact
from maildoctor.host import Host, Missing
from maildoctor.pattern import pattern
from maildoctor.source import Source

DIRECTORY = "/etc/pam.d"
FALLBACK = "other"
KINDS = ("auth", "account", "password", "session")
FILES = 64
"""Files that one stack may include, so that a circle ends; libpam allows a depth of 32."""
CONTROLS = {
    "required": {"success": "ok", "default": "bad"},
    "requisite": {"success": "ok", "default": "die"},
    "sufficient": {"success": "done", "default": "ignore"},
    "optional": {"success": "ok", "default": "ignore"},
}
"""As libpam spells them out: pam.conf(5)."""
CONTROL_FAIL = tuple(CONTROLS["required"].items())
NOLOGIN = ["/var/run/nologin", "/etc/nologin"]
YES_MEN = ("pam_permit.so", "pam_rootok.so")
"""Modules that ask for no password; saslauthd and Dovecot's workers are root."""
INGROUP = pattern(r"\buser\s+ingroup\s+(\S+)")
LINE = pattern(r"(-?)(\S+)\s+(\[[^]]*\]|\S+)(?:\s+(\S+))?")


class Rule(NamedTuple):
    """One line of a stack; an empty ``module`` is a line at which libpam fails."""

    kind: str
    actions: tuple[tuple[str, str], ...]
    module: str
    source: Source
    text: str
    optional_file: bool = False
    """A ``-`` before the kind: nobody minds if the module is not installed."""

    def action(self, result: str) -> str:
        """Give what the control does at ``success`` or at any other result."""
        actions = dict(self.actions)
        return actions.get(result) or actions.get("default") or "bad"


@fact
def stack(host: Host, service: str, kind: str) -> tuple[Rule, ...]:
    """Give the rules of one kind for a service; without any of its own, those of ``other`` hold."""
    own = [rule for rule in _file(host, service.lower(), kind, []) if rule.kind == kind]
    return tuple(own or [rule for rule in _file(host, FALLBACK, kind, []) if rule.kind == kind])


def refusal(host: Host, service: str, kind: str) -> Rule | None:
    """Give the rule that refuses a right password, None where the stack may let it through."""
    return refusing(stack(host, service, kind), lambda rule: _result(host, rule))


def refusing(rules: Sequence[Rule], result: Callable[[Rule], str]) -> Rule | None:
    """Walk a stack as libpam's _pam_dispatch_aux does; ``result`` says what a rule's module returns."""
    failed: Rule | None = None
    passed = False
    position = 0
    while position < len(rules):
        rule = rules[position]
        position += 1
        outcome = result(rule)
        action = "ignore" if outcome == "ignore" else rule.action(outcome)
        if action.isdigit():
            position += int(action)
        elif action in ("bad", "die"):
            failed = failed or rule
            if action == "die":
                return failed
        elif action in ("ok", "done"):
            passed = True
            if action == "done" and failed is None:
                return None
    return failed if failed or passed or not rules else rules[-1]


def _result(host: Host, rule: Rule) -> str:
    if not rule.module or rule.module == "pam_deny.so":
        return "failure"
    if not installed(host, rule.module):
        return "ignore" if rule.optional_file else "failure"
    return "failure" if why_refused(host, rule) else "success"


def permits_everybody(host: Host, service: str) -> Rule | None:
    """Give a rule that lets in whoever comes: the auth stack passes though every password is wrong."""
    rules = stack(host, service, "auth")

    def result(rule: Rule) -> str:
        return "success" if rule.module in YES_MEN and installed(host, rule.module) else "failure"

    if not rules or refusing(rules, result) is not None:
        return None
    return next((rule for rule in rules if rule.module in YES_MEN), None)


def why_refused(host: Host, rule: Rule) -> str:
    """Say why a module refuses every user; empty where it may let some pass."""
    judge = JUDGES.get(rule.module)
    return judge(host, _arguments(rule)) if judge else ""


def _arguments(rule: Rule) -> dict[str, str]:
    """Give ``name=value`` words, and the whole line under an empty name."""
    pairs = (word.partition("=")[::2] for word in rule.text.split())
    return {name: value for name, value in pairs if value} | {"": rule.text}


def _nologin(host: Host, arguments: dict[str, str]) -> str:
    """pam_nologin(8): nobody but root while the file is there."""
    paths = [arguments["file"]] if "file" in arguments else NOLOGIN
    there = next((path for path in paths if host.exists(path)), "")
    return f"{there} is there" if there else ""


def _listfile(host: Host, arguments: dict[str, str]) -> str:
    """pam_listfile(8): only who stands in the file, and nobody where it cannot be used."""
    path = arguments.get("file", "")
    if arguments.get("sense") != "allow" or arguments.get("item") != "user" or not path:
        return ""
    try:
        if any(line.strip() for line in host.text(path).splitlines()):
            return ""
        return f"{path} names nobody"
    except Missing:
        return "" if arguments.get("onerr") == "succeed" else f"{path} does not exist"


def _access(host: Host, arguments: dict[str, str]) -> str:
    """access.conf(5): the first rule that fits decides."""
    path = arguments.get("accessfile", "/etc/security/access.conf")
    try:
        lines = host.text(path).splitlines()
    except Missing:
        return ""
    for number, line in enumerate(lines, start=1):
        fields = [field.strip() for field in line.partition("#")[0].split(":")]
        if len(fields) < 3 or fields[0] not in ("+", "-"):
            continue
        if fields[0] == "+":
            return ""
        if fields[1] == "ALL" and ":".join(fields[2:]) == "ALL":
            return f"{path}, line {number}: {line.strip()}"
    return ""


@fact
def installed(host: Host, module: str) -> bool:
    """Tell whether a module's file is there: below a multiarch directory's security/, or as named."""
    if module.startswith("/"):
        return host.exists(module)
    places = [place for place in _libraries(host) if host.exists(f"{place}/security")]
    # A recorded tree without any module tells nothing of one.
    return not places or any(host.exists(f"{place}/security/{module}") for place in places)


@fact
def _libraries(host: Host) -> tuple[str, ...]:
    found = ["/usr/lib", "/lib"]
    for top in ("/usr/lib", "/lib"):
        try:
            found += [f"{top}/{name}" for name in host.names(top) if "-linux-gnu" in name]
        except Missing:
            continue
    return tuple(found)


def _file(host: Host, name: str, kind: str, seen: list[str]) -> Iterator[Rule]:
    """Yield a file's rules; ``seen`` are the files that were read for this stack before."""
    path = name if name.startswith("/") else f"{DIRECTORY}/{name}"
    seen.append(path)
    if len(seen) > FILES:
        return
    try:
        text = host.text(path)
    except Missing:
        if len(seen) > 1:
            yield Rule(kind, CONTROL_FAIL, "", Source(path), "no such file")
        return
    for number, line in _logical(text):
        yield from _line(host, line, Source(path, number), kind, seen)


def _logical(text: str) -> Iterator[tuple[int, str]]:
    logical, begin = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        begin = begin if logical else number
        logical += line.partition("#")[0]
        if logical.endswith("\\"):
            logical = logical[:-1] + " "
            continue
        if logical.strip():
            yield begin, logical.strip()
        logical = ""


def _line(host: Host, line: str, source: Source, kind: str, seen: list[str]) -> Iterator[Rule]:
    words = line.split()
    if words[0] == "@include" and len(words) > 1:
        yield from _file(host, words[1], kind, seen)
        return
    match = LINE.match(line)
    named = match[2].lower() if match else ""
    if match is None or named not in KINDS:
        yield Rule("auth", CONTROL_FAIL, "", source, line)
        return
    control = match[3].lower()
    if control in ("include", "substack"):
        if named == kind and match[4]:
            yield from _file(host, match[4], kind, seen)
        return
    actions = _actions(control)
    module = match[4] or ""
    yield Rule(named, actions or CONTROL_FAIL, module if actions else "", source, line, bool(match[1]))


def _actions(control: str) -> tuple[tuple[str, str], ...]:
    """Take ``required`` or ``[success=1 default=ignore]`` apart; empty where libpam would not know it."""
    if control in CONTROLS:
        return tuple(CONTROLS[control].items())
    pairs = [word.partition("=")[::2] for word in control.strip("[]").split() if "=" in word]
    return tuple(pairs) if control.startswith("[") else ()


def _succeed_if(host: Host, arguments: dict[str, str]) -> str:
    """pam_succeed_if(8): of its conditions, membership in a group that has nobody can be judged."""
    found = INGROUP.search(arguments.get("", ""))
    names = found[1].split(":") if found else []
    if not names or any(_may_have_members(host, name) for name in names):
        return ""
    return f"nobody is in group {' or '.join(names)}"


def _may_have_members(host: Host, name: str) -> bool:
    """Look into /etc/group; of groups elsewhere a running system's name service knows."""
    if name not in groups(host):
        return not host.live or _is_elsewhere(name)
    gid, members = groups(host)[name]
    return bool(members) or any(primary == gid for _, primary in passwd(host).values())


def _is_elsewhere(name: str) -> bool:
    import grp

    try:
        return bool(grp.getgrnam(name))
    except KeyError:
        return False


JUDGES: dict[str, Callable[[Host, dict[str, str]], str]] = {
    "pam_nologin.so": _nologin,
    "pam_listfile.so": _listfile,
    "pam_access.so": _access,
    "pam_succeed_if.so": _succeed_if,
}
"""Modules of which files tell whether they refuse everybody."""
