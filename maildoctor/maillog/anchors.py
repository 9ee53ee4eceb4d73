"""What is sought in a block of log, so that most lines need not be looked at.

Each text is rare in the log of a healthy server, and every message of interest holds one of them.
"""

from maildoctor.maillog.search import Sought
from maildoctor.pattern import pattern

SAID = Sought(
    # How these begin is looked at first: lines of other kinds are passed over at once.
    rb"(?=[_(ACNPSUaefmpsuw]|c[ao])(?:"
    # About a refused password, or anything else that may matter.
    rb"warning: (?!SASL authentication failure: Password verification failed)|fatal: |error: |panic: "
    rb"|message repeated |auth[:(-]|master: |SASL authentication |sql|auxprop|unable to dlopen|_sasl_plugin"
    rb"|sasl_client|AlwaysTrue|PAM |\(?pam_[a-z]|(?:SMTPS|CLIENT) wrappermode|could not find auxprop"
    rb"|Unable to begin transaction|unable to load plugin list|cannot load Cert"
    rb"|NOQUEUE: abort: TLS from )",
    after=b"]: ",
)
"""What follows a process id."""
COUNTED = Sought(rb"method=", rb"auth=[01]/")
"""In the line of a login with mail, and of a client that goes, of whose AUTH commands some failed."""
REFUSED = pattern(
    # A client that is kept whole, and a user name that is shown as it is; others are unusual lines.
    rb"\]: warning: ([^\s\[\]]{0,50}\[([^\s\[\]]{1,64})\])(?::\d{1,5})?: "
    rb"SASL ([A-Z0-9-]{1,32} authentication failed: [^\n,\r\x00]*)"
    rb"(?:, sasl_username=(?!maildoctor-probe-)(?:\(unavailable\)|([^\s\x00()]{0,100})))?\n"
)
"""A message about a refused password: client, address, mechanism with reason, and user."""
GONE = b"]: disconnect from "
AFTER_AUTH = Sought(rb" after AUTH from ")
_DENIED = (
    rb"reject(?:_warning)?+: [^\n]{0,1000}?(?:Relay access denied|rejected: Access denied"
    rb"|address rejected: not |Temporary lookup failure|Server configuration (?:error|problem)"
    rb"|Server local data error)"
)
"""A client that may not relay, or of whom that could not be told."""
_RELAYHOST = (
    rb"SASL authentication failed|SASL \[CACHED\]|uthentication [Rr]equired| said: 530[- ]|not authenticated"
    rb"|elay(?:ing)? (?:access )?denied|TLS is required, but |Cannot start TLS"
)
_UNSENT = (
    rb"(?:=bounced|deferred) \((?:[^\n]{0,1000}?(?:"
    + _RELAYHOST
    + rb")|[^\n]{0,1000}?:25: (?:Connection|Operation|Network|No route|Host) )"
)
# PCRE2 is fast where alternatives are few and begin with few different letters.
DENIED = Sought(_DENIED, rb"saslauthd[\[.]|last message repeated |Last message '")
"""A client that was denied something, and two kinds of lines without a process id of Postfix."""
ELSEWHERE = (
    Sought(rb"avc:  denied|apparmor=\"DENIED\""),
    Sought(
        rb"dovecot(?:: (?:auth|master|[^\n]{0,1000}?: (?:Fatal|Error): )|\.service: |:[a-z]{1,10}\): )|"
        + _UNSENT
    ),
)
