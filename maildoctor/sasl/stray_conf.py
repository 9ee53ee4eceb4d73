"""Files that look like an smtpd.conf and that this smtpd never reads: misplaced, misspelt, left behind."""

from collections.abc import Iterator

from maildoctor.fact import fact
from maildoctor.host import CannotLook, Host
from maildoctor.pattern import pattern
from maildoctor.postfix.service import Service
from maildoctor.sasl.smtpd_conf import SmtpdConf, application, directories, library_directories, read

PROGRAMS = "smtpd?|postfix|sasld?|saslauthd?|submissions?"
LIKE = pattern(rf"(?:{PROGRAMS})?[._-]?(?:conf?|cf|cnf|config)(?:\.conf)?|smtpd?")
"""Whole names, small letters, that people give it."""
LEFT_BEHIND = pattern(r"(?:~|[.-](?:bak|old|orig|save|backup|disabled|rpmnew|rpmsave|dpkg-\w+|\d+))+$")
ELSEWHERE = (
    "/etc/postfix/sasl",
    "/etc/postfix/sasl2",
    "/etc/postfix",
    "/etc/sasl2",
    "/etc/sasl",
    "/usr/lib/sasl2",
    "/usr/lib/sasl",
    "/usr/lib64/sasl2",
    "/usr/local/lib/sasl2",
    "/usr/local/etc/sasl2",
    "/var/lib/sasl2",
    "/etc",
)
TELLING = frozenset({"pwcheck_method", "mech_list", "auxprop_plugin", "saslauthd_path", "sasldb_path"})


@fact
def strays(host: Host, service: Service) -> tuple[SmtpdConf, ...]:
    """Give the files that were probably meant to be this service's smtpd.conf; the likeliest first.

    Left-behind copies (``.bak``, ``.dpkg-old``) come last. A file counts only if it sets an option of
    libsasl2.
    """
    read_by_smtpd = {f"{each.value}/{application(service)}.conf" for each in directories(host, service)}
    paths = [path for path in _paths(host, service) if path not in read_by_smtpd]
    found = [conf for path in paths for conf in _telling(host, path)]
    return tuple(sorted(found, key=left_behind))


def left_behind(conf: SmtpdConf) -> bool:
    """Tell whether its name says that it is a copy which nobody means to be read."""
    return LEFT_BEHIND.search(conf.path) is not None


def _paths(host: Host, service: Service) -> Iterator[str]:
    searched = [each.value for each in directories(host, service)]
    parameter = service.parameter("cyrus_sasl_config_path").value
    named = [word for word in parameter.split(":") if word.startswith("/")]
    chroots = [f"{service.chroot}{directory}" for directory in ELSEWHERE if service.chroot]
    for directory in dict.fromkeys([*searched, *named, *ELSEWHERE, *library_directories(host), *chroots]):
        for name in _names(host, directory):
            if _alike(name, directory):
                yield f"{directory.rstrip('/')}/{name}"


def _alike(name: str, directory: str) -> bool:
    plain = LEFT_BEHIND.sub("", name.lower())
    narrow = directory in ("/etc", "/etc/postfix") or directory.endswith(("/etc", "/etc/postfix"))
    return plain.startswith("smtp") and bool(LIKE.fullmatch(plain)) if narrow else bool(LIKE.fullmatch(plain))


def _names(host: Host, directory: str) -> list[str]:
    try:
        return host.names(directory)
    except CannotLook:
        return []


def _telling(host: Host, path: str) -> Iterator[SmtpdConf]:
    conf = read(host, path)
    if conf and any(setting.key in TELLING for setting in conf.settings):
        yield conf
