"""Listening: is the Postfix that is looked at the only one?"""

from collections.abc import Iterator

from maildoctor.check import check
from maildoctor.finding import Evidence, Finding, Severity, Stage
from maildoctor.host import CannotLook, Host, Missing
from maildoctor.host.errors import Unreadable
from maildoctor.pattern import pattern
from maildoctor.postfix.configuration import parameter

DIRECTORIES = "multi_instance_directories"
AUTH = pattern(r"(?m)^[ \t]*(?:-o[ \t]*)?smtpd_sasl_auth_enable[ \t]*=[ \t]*yes\b")


@check(Stage.LISTENING, vital=True)
def instance_unseen(host: Host) -> Iterator[Finding]:
    """There are further instances of Postfix, which are not looked at.

    What:
        multi_instance_directories names other configuration directories. Only /etc/postfix is judged here.
    Why:
        postmulti(1) runs several Postfixes side by side: one for incoming mail, one for users. Where one of
        the others has AUTH enabled, whether logins work on this host is not known, and the verdict says so.
    Start: saslauthd-chroot
    Break:
        postmulti -e init
        postmulti -I postfix-out -e create
        systemctl restart postfix
    Mend:
        postmulti -i postfix-out -e destroy
        postmulti -e deinit || true
        systemctl restart postfix
    Safety:
        Nothing to mend.
    See: postmulti(1), MULTI_INSTANCE_README
    """
    named = parameter(host, DIRECTORIES)
    for directory in named.value.replace(",", " ").split():
        if _offers_auth(host, directory):
            raise Unreadable(directory, "another Postfix with AUTH enabled, which is not looked at")
        yield Finding(
            summary=f"the Postfix of {directory} is not looked at; AUTH is enabled nowhere in it",
            subject=directory,
            severity=Severity.INFO,
            found=directory,
            evidence=(Evidence.at(named.source, f"{DIRECTORIES} = {named.value}"),),
            proof="postmulti -l",
        )


def _offers_auth(host: Host, directory: str) -> bool:
    for name in ("main.cf", "master.cf"):
        try:
            text = host.text(f"{directory}/{name}")
        except Missing:
            continue
        except CannotLook:
            return True
        if AUTH.search(text):
            return True
    return False
