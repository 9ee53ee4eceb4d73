"""Faults beside those of the checks' own pages: the same causes in other clothes, several at once, and causes
that stand behind the stage where the login stops.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """``script`` breaks the arrangement ``start``; ``codes`` are the causes to be named, the first one first."""

    name: str
    start: str
    script: str
    codes: tuple[str, ...]
    releases: tuple[str, ...] = ("bookworm", "trixie")


# A restart, not a reload: right after a reload an smtpd of before may serve one more client.
FAULTS = (
    # installed
    Fault(
        "dovecot type without dovecot",
        "saslauthd",
        "postconf -e smtpd_sasl_type=courier; systemctl restart postfix",
        ("sasl-type-unsupported",),
    ),
    # listening
    Fault(
        "master killed",
        "sasldb",
        "pkill -9 -x master; systemctl kill -s KILL 'postfix*' || true",
        ("postfix-not-running",),
    ),
    Fault(
        "submission commented out",
        "submission-tls",
        "sed -i '/^submission/,/^[^ ]/s/^ *-o/#&/; s/^submission /#&/' /etc/postfix/master.cf; systemctl restart postfix",
        ("submission-service-missing",),
    ),
    Fault(
        "main.cf line without =",
        "saslauthd-chroot",
        "echo 'smtpd_sasl_auth_enable yes' >> /etc/postfix/main.cf; systemctl restart postfix || true",
        ("main-cf-broken",),
    ),
    # offered
    Fault(
        "auth off by a typing error",
        "saslauthd-chroot",
        "postconf -P submission/inet/smtpd_sasl_auth_enable=no; systemctl restart postfix",
        ("auth-not-enabled",),
    ),
    Fault(
        "noplaintext for everybody",
        "saslauthd",
        "postconf -e 'smtpd_sasl_security_options=noanonymous,noplaintext'; systemctl restart postfix",
        ("plaintext-mechanisms-forbidden",),
    ),
    Fault(
        "auth discarded from EHLO",
        "sasldb",
        "postconf -e smtpd_discard_ehlo_keywords=AUTH,dsn; systemctl restart postfix",
        ("auth-hidden-by-discard-keywords",),
    ),
    Fault(
        "auth hidden from the whole Internet",
        "dovecot",
        "postconf -e smtpd_sasl_exceptions_networks=0.0.0.0/0; systemctl restart postfix",
        ("auth-hidden-by-exceptions-networks",),
    ),
    Fault(
        "certificate file gone",
        "submission-tls",
        "postconf -e smtpd_tls_cert_file=/etc/ssl/certs/none.pem; systemctl restart postfix",
        ("tls-certificate-missing",),
    ),
    # configured
    Fault(
        "equals sign in smtpd.conf",
        "saslauthd-chroot",
        "sed -i 's/: /=/' /etc/postfix/sasl/smtpd.conf; systemctl restart postfix",
        ("smtpd-conf-syntax",),
    ),
    Fault(
        "smtpd.conf where Cyrus would seek it by default",
        "saslauthd",
        "mkdir -p /etc/sasl2; mv /etc/postfix/sasl/smtpd.conf /etc/sasl2/; systemctl restart postfix",
        ("smtpd-conf-misplaced",),
    ),
    Fault(
        "a misspelt auxprop plugin",
        "sasldb",
        "sed -i 's/^auxprop_plugin.*/auxprop_plugin: sasldb2/' /etc/postfix/sasl/smtpd.conf; systemctl restart postfix",
        ("auxprop-plugin-unknown",),
        releases=("trixie",),
    ),
    Fault(
        "only CRAM-MD5 with saslauthd",
        "saslauthd-chroot",
        "sed -i 's/^mech_list.*/mech_list: CRAM-MD5 DIGEST-MD5/' /etc/postfix/sasl/smtpd.conf; systemctl restart postfix",
        ("mech-list-unserved",),
    ),
    # reachable
    Fault(
        "postfix not in group sasl",
        "saslauthd-chroot",
        "gpasswd -d postfix sasl; systemctl restart postfix",
        ("postfix-not-in-group-sasl",),
    ),
    Fault(
        "queue directory closed",
        "saslauthd-chroot",
        "chmod 700 /var/spool/postfix/var; systemctl restart postfix",
        ("saslauthd-directory-impassable",),
    ),
    Fault(
        "saslauthd killed",
        "saslauthd",
        "systemctl stop saslauthd; systemctl restart postfix",
        ("saslauthd-not-running",),
    ),
    Fault(
        "saslauthd killed hard",
        "saslauthd-chroot",
        "systemctl kill -s KILL saslauthd || true; pkill -9 -x saslauthd || true; systemctl restart postfix",
        ("saslauthd-not-running",),
    ),
    Fault(
        "the chroot's own saslauthd switched off",
        "saslauthd-chroot",
        "systemctl stop saslauthd; cd /etc/default; cp saslauthd saslauthd-postfix; sed -i s/^START=.*/START=no/ saslauthd-postfix; "
        "sed -i 's|^OPTIONS=.*|OPTIONS=\"-c -m /var/run/saslauthd\"|' saslauthd; systemctl start saslauthd; systemctl restart postfix",
        ("saslauthd-start-not-yes",),
        releases=("bookworm",),
    ),
    Fault(
        "chroot switched on under a saslauthd outside",
        "saslauthd",
        "postconf -F submission/inet/chroot=y; systemctl restart postfix",
        ("saslauthd-socket-outside-chroot",),
    ),
    Fault(
        "sasldb2 closed",
        "sasldb-chroot",
        "chown root:root /etc/sasldb2; chmod 600 /etc/sasldb2; systemctl restart postfix",
        ("sasldb-unreadable",),
    ),
    Fault(
        "sasldb2 not in the chroot",
        "sasldb",
        "postconf -F submission/inet/chroot=y; systemctl restart postfix",
        ("sasldb-missing-in-chroot",),
    ),
    Fault(
        "dovecot stopped",
        "dovecot-submission-only",
        "systemctl stop dovecot; systemctl restart postfix",
        ("dovecot-not-running",),
    ),
    Fault(
        "dovecot socket elsewhere",
        "dovecot",
        "postconf -e smtpd_sasl_path=private/dovecot-auth; systemctl restart postfix",
        ("dovecot-socket-path-wrong",),
    ),
    # verifying
    Fault(
        "sasldb2 emptied",
        "sasldb-chroot",
        "echo | saslpasswd2 -d -u mail.example.com hoge; systemctl restart postfix",
        ("sasldb-empty",),
    ),
    Fault(
        "PAM refuses",
        "saslauthd-chroot",
        "echo 'auth required pam_deny.so' > /etc/pam.d/smtp; systemctl restart saslauthd postfix",
        ("pam-service-refuses",),
    ),
    Fault(
        "PAM asks a file that is not there",
        "saslauthd-chroot",
        "printf '%s\\n' 'auth required pam_listfile.so item=user sense=allow file=/etc/mailusers onerr=fail' "
        "'auth required pam_unix.so' 'account required pam_unix.so' > /etc/pam.d/smtp; systemctl restart saslauthd postfix",
        ("pam-service-refuses",),
        releases=("bookworm",),
    ),
    Fault(
        "a mechanism that saslauthd does not know",
        "saslauthd-chroot",
        "sed -i 's/^MECHANISMS=.*/MECHANISMS=\"pamm\"/' /etc/default/saslauthd; systemctl restart saslauthd || true; systemctl restart postfix",
        ("saslauthd-mechanism-unknown",),
    ),
    # permitted
    Fault(
        "strangers and users refused alike",
        "saslauthd-chroot",
        "postconf -P submission/inet/smtpd_relay_restrictions=permit_mynetworks,reject_unauth_destination; systemctl restart postfix",
        ("relay-refuses-logged-in-clients",),
    ),
    Fault(
        "no safeguard anywhere",
        "sasldb",
        "postconf -PX submission/inet/smtpd_relay_restrictions; postconf -e smtpd_relay_restrictions=permit_sasl_authenticated smtpd_recipient_restrictions=; systemctl restart postfix",
        ("relay-safeguard-missing",),
    ),
    # two at once
    Fault(
        "bad smtpd.conf, and saslauthd down",
        "saslauthd-chroot",
        "sed -i 's/: /=/' /etc/postfix/sasl/smtpd.conf; systemctl stop saslauthd; systemctl restart postfix",
        ("smtpd-conf-syntax", "saslauthd-not-running"),
    ),
    Fault(
        "not in group sasl, and relay refused",
        "saslauthd-chroot",
        "gpasswd -d postfix sasl; postconf -P submission/inet/smtpd_relay_restrictions=reject; systemctl restart postfix",
        ("postfix-not-in-group-sasl", "relay-refuses-logged-in-clients"),
    ),
    Fault(
        "noplaintext, and saslauthd down",
        "saslauthd",
        "postconf -e smtpd_sasl_security_options=noplaintext,noanonymous; systemctl stop saslauthd; systemctl restart postfix",
        ("plaintext-mechanisms-forbidden", "saslauthd-not-running"),
    ),
    Fault(
        "AUTH off, and sasldb2 closed",
        "sasldb",
        "postconf -P submission/inet/smtpd_sasl_auth_enable=no; chown root:root /etc/sasldb2; chmod 600 /etc/sasldb2; systemctl restart postfix",
        ("auth-not-enabled", "sasldb-unreadable"),
    ),
    Fault(
        "dovecot down, and relay refused",
        "dovecot",
        "systemctl stop dovecot; postconf -e smtpd_relay_restrictions=permit_mynetworks,defer_unauth_destination; systemctl restart postfix",
        ("dovecot-not-running", "relay-refuses-logged-in-clients"),
    ),
    Fault(
        "no safeguard, and not in group sasl",
        "saslauthd-chroot",
        "postconf -PX submission/inet/smtpd_relay_restrictions; postconf -e smtpd_relay_restrictions=permit_sasl_authenticated smtpd_recipient_restrictions=; gpasswd -d postfix sasl; systemctl restart postfix",
        ("relay-safeguard-missing", "postfix-not-in-group-sasl"),
    ),
    Fault(
        "TLS key gone, and PAM refuses",
        "submission-tls",
        "postconf -e smtpd_tls_key_file=/etc/ssl/private/none.key; echo 'auth required pam_deny.so' > /etc/pam.d/smtp; systemctl restart saslauthd postfix",
        ("tls-key-unusable", "pam-service-refuses"),
    ),
)
