"""Verifying: is anybody in sasldb2, and under the realm that a login name gets?"""

from collections.abc import Iterator
from shlex import quote

from maildoctor.check import check
from maildoctor.debian.ownership import stat_evidence
from maildoctor.finding import Evidence, Finding, Impact, Severity, Stage
from maildoctor.host import CannotLook, Host
from maildoctor.postfix.service import Service
from maildoctor.postfix.setting import assign, evidence
from maildoctor.remedy import Option, ReloadUnit, Remedy, SetSaslPassword
from maildoctor.sasl.login_names import login_names
from maildoctor.sasl.sasldb import Account, Database, default_realm, inside, outside
from maildoctor_checks._sasldb import impact, is_judged, named

REALM = "smtpd_sasl_local_domain"
TOP_LEVELS = frozenset({"com", "net", "org", "info", "biz", "edu", "gov", "local", "lan", "example", "test"})
"""Ends of a domain that no user's name has; two letters, a country, count as well."""


@check(Stage.VERIFYING)
def sasldb_empty(host: Host, service: Service) -> Iterator[Finding]:
    """Nobody is in sasldb2.

    What:
        The file is there and has no user with a password, as Debian's package sasl2-bin leaves it. Every
        login is answered with 535.
    Why:
        Passwords are verified from this file alone. Users of the system or of Dovecot are not in it; each
        must be added with saslpasswd2. If they are meant, another verifier must be named in smtpd.conf.
    Start: sasldb
    Break:
        saslpasswd2 -d -u mail.example.com hoge
    Mend:
        echo 'correct horse' | saslpasswd2 -p -c -u mail.example.com hoge
    Safety:
        Only the admin knows who should be in it.
    See: saslpasswd2(8)
    """
    found = inside(host, service) or outside(host, service)
    if not is_judged(host, service) or found is None or found.fault or found.accounts:
        return
    other = outside(host, service)
    if other and other.accounts and not other.same_file(found):
        return  # sasldb-stale-copy says it
    realm = default_realm(service)
    command = f"saslpasswd2 -c -f {quote(found.path)} -u {realm} USER"
    yield Finding(
        summary=f"{found.path} has no users, so nobody can log in",
        subject=found.path,
        impact=impact(host, service),
        expected="users, as sasldblistusers2 lists them",
        found="none",
        evidence=(
            stat_evidence(host, found.path, found.status),
            Evidence(f"sasldblistusers2 -f {found.path}", "no output"),
        ),
        proof=f"sasldblistusers2 -f {quote(found.path)}",
        remedy=Remedy.manual(
            f"Add each user: {command}. If the users of the system are meant, let saslauthd verify them."
        ),
    )


@check(Stage.VERIFYING, explains=("sasldb-realm-mismatch",))
def sasldb_arguments_swapped(host: Host, service: Service) -> Iterator[Finding]:
    """A user in sasldb2 is called like a domain, and the realm like a user.

    What:
        saslpasswd2 was called with domain and user the wrong way round. The account is "example.com@hoge",
        and hoge@example.com cannot log in (535).
    Why:
        It is saslpasswd2 -c -u DOMAIN USER: the domain belongs to -u, the user's name comes last.
    Start: sasldb
    Break:
        saslpasswd2 -d -u mail.example.com hoge
        echo 'correct horse' | saslpasswd2 -p -c -u hoge mail.example.com
    Mend:
        saslpasswd2 -d -u hoge mail.example.com
        echo 'correct horse' | saslpasswd2 -p -c -u mail.example.com hoge
    Safety:
        A choice: it adds the account that was plainly meant, and asks for its password. The useless one can
        be deleted with saslpasswd2 -d.
    See: saslpasswd2(8)
    """
    found = inside(host, service) or outside(host, service)
    if not is_judged(host, service) or found is None:
        return
    swapped = [each for each in found.accounts if _is_swapped(host, service, each)]
    right = [Account(each.realm, each.user) for each in swapped]
    lacking = [each for each in right if each not in found.accounts]
    if not lacking:
        return
    first = lacking[0]
    add = tuple(SetSaslPassword(each.user, each.realm, found.path) for each in lacking)
    delete = [f"saslpasswd2 -d -f {found.path} -u {quote(each.realm)} {quote(each.user)}" for each in swapped]
    yield Finding(
        summary=f"{found.path} has {first.realm}@{first.user} in place of {first}: -u takes the domain",
        subject=found.path,
        impact=impact(host, service) if len(swapped) == len(found.accounts) else Impact.SOME_LOGINS,
        expected=named(lacking),
        found=named(swapped),
        evidence=(Evidence(f"sasldblistusers2 -f {found.path}", named(swapped)),),
        proof=f"sasldblistusers2 -f {quote(found.path)}",
        remedy=Remedy.choice(
            Option("add-as-meant", f"Adds {named(lacking)}; asks for each password.", add),
            notes=f"The useless accounts are deleted with: {'; '.join(delete)}",
        ),
    )


def _is_swapped(host: Host, service: Service, account: Account) -> bool:
    ours = {default_realm(service), _short_name(host), "localhost"}
    if "." in account.realm or "@" in account.user or account.realm in ours or "." not in account.user:
        return False
    last = account.user.rpartition(".")[2].lower()
    domains = {service.parameter(name).value.lower() for name in ("mydomain", "myhostname", "myorigin")}
    return account.user.lower() in domains or last in TOP_LEVELS or (len(last) == 2 and last.isalpha())


def _short_name(host: Host) -> str:
    try:
        return host.text("/etc/hostname").strip().partition(".")[0]
    except CannotLook:
        return ""


@check(Stage.VERIFYING)
def sasldb_realm_mismatch(host: Host, service: Service) -> Iterator[Finding]:
    """Users are in sasldb2 under another realm than a login name gets.

    What:
        A login name without "@" is looked up under smtpd_sasl_local_domain, or under myhostname where that
        is empty. No user has that realm, so "hoge" cannot log in (535), though "hoge@realm" can.
    Why:
        saslpasswd2 without -u takes the name of the host for the realm, often its short one; with -u the
        domain that was typed. smtpd_sasl_local_domain must be the same, letter by letter.
    Start: sasldb
    Break:
        postconf -e smtpd_sasl_local_domain=example.net
        postfix reload
    Mend:
        postconf -X smtpd_sasl_local_domain
        postfix reload
    Safety:
        A choice: with smtpd_sasl_local_domain set, names without "@" belong to that realm. Names with "@"
        are not touched.
    See: SASL_README, postconf(5) on smtpd_sasl_local_domain
    """
    found = inside(host, service) or outside(host, service)
    if not is_judged(host, service) or found is None or not found.accounts:
        return
    realm = default_realm(service)
    realms = sorted({each.realm for each in found.accounts if not _is_swapped(host, service, each)})
    if not realms or realm in realms:
        return
    yield _mismatch(host, service, found, realm, realms)


def _mismatch(host: Host, service: Service, found: Database, realm: str, realms: list[str]) -> Finding:
    options = tuple(
        Option(
            each,
            f"Names without @ are looked up as NAME@{each}.",
            (assign(service, REALM, each), ReloadUnit("postfix")),
        )
        for each in realms
    )
    refused = _refused_without_at(host, found)
    serious = bool(refused) or _names_without_at_are_meant(service, realm, realms)
    return Finding(
        summary=f"A login name without @ gets the realm {realm}, which no user in {found.path} has",
        subject=found.path,
        severity=Severity.ERROR if serious else Severity.INFO,
        impact=Impact.SOME_LOGINS,
        expected=f"realm {realm}",
        found=f"realm {named(realms)}",
        evidence=(
            evidence(service, REALM if service.parameter(REALM).value.strip() else "myhostname"),
            Evidence(f"sasldblistusers2 -f {found.path}", named(found.accounts)),
            *((Evidence("mail log", f"refused: {named(refused)}"),) if refused else ()),
        ),
        proof=f"sasldblistusers2 -f {quote(found.path)}; postconf -x {REALM} myhostname",
        remedy=Remedy.choice(
            *options, notes="Or let people log in with the full name, as sasldblistusers2 shows it."
        ),
    )


def _refused_without_at(host: Host, found: Database) -> list[str]:
    """Give users whose name without @ was refused, if no full name was taken: people use the short one."""
    names = login_names(host)
    if any("@" in name for name in names.taken):
        return []
    return sorted(names.refused & {account.user for account in found.accounts})


def _names_without_at_are_meant(service: Service, realm: str, realms: list[str]) -> bool:
    """Tell whether the full name can hardly be what people type.

    Setting smtpd_sasl_local_domain serves names without @ alone, but "$myhostname" is what guides and the
    package's own text say, whoever logs in; a realm without a dot, or in other letters, is nobody's address.
    """
    configured = service.parameter(REALM)
    by_guide = configured.value.strip() == service.parameter("myhostname").value.strip()
    set_on_purpose = bool(configured.value.strip()) and not by_guide
    odd = all("." not in each or each.lower() == realm.lower() for each in realms)
    return set_on_purpose or odd
