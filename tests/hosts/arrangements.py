"""Arrangements: ways to set up a mail server that work, each as an admin would do it.

A fault test starts from one of these by its name, so a name, once given, stays.
"""

import hashlib
from dataclasses import dataclass
from functools import cache as remembered
from pathlib import Path

from tests.hosts import smtp
from tests.hosts.machine import Host
from tests.hosts.tree import base_tree, cache, forget_old, locked

ADMIN = (Path(__file__).parent / "admin.sh").read_text()


@dataclass(frozen=True)
class Arrangement:
    """A working host: how it is set up, and how a client logs in there (`port` is None if nobody should)."""

    setup: str
    port: int | None = 587
    tls: smtp.Tls = "none"
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    releases: tuple[str, ...] = ("bookworm", "trixie")

    def login(self, host: Host, mechanism: str = "PLAIN", password: str = "correct horse") -> smtp.Session:
        """Log in as user hoge, the way this arrangement means it."""
        assert self.port, "nobody is meant to log in here"
        return smtp.login(host, "hoge", password, port=self.port, mechanism=mechanism, tls=self.tls)


def arrange(host: Host, name: str) -> Arrangement:
    """Set the host up, restart Postfix, and wait until it greets; says how to log in."""
    arrangement = ARRANGEMENTS[name]
    host.sh(f"{ADMIN}\ndiscard_outgoing_mail\n{arrangement.setup}\nsystemctl restart 'postfix*.service'")
    if arrangement.port and arrangement.tls != "implicit":
        smtp.wait_for_banner(host, arrangement.port)
    return arrangement


def arranged(release: str, name: str, *, systemd: bool = True) -> Host:
    """A host of that release in that arrangement, to be booted: it was set up before and then shut down."""
    return Host(release, disk=_disk(release, name), systemd=systemd)


@remembered
def _disk(release: str, name: str) -> Path:
    recipe = "\n".join([base_tree(release).name, ADMIN, ARRANGEMENTS[name].setup])
    disk = cache() / f"disk-{release}-{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    with locked(disk.name):
        if not disk.exists():
            forget_old(f"disk-{release}-{name}-*")
            with Host(release) as host:
                arrange(host, name)
                host.save_disk(disk.with_suffix(".new"))
            disk.with_suffix(".new").rename(disk)
    return disk


CRAM = ("PLAIN", "LOGIN", "CRAM-MD5")

ARRANGEMENTS = {
    "stock": Arrangement("", port=None),
    # It logs in to its provider, and nobody logs in to it.
    "satellite": Arrangement(
        """
        postconf -e 'relayhost = [smtp.example.net]:587' smtp_sasl_auth_enable=yes \\
            smtp_sasl_password_maps=hash:/etc/postfix/sasl_passwd smtp_sasl_security_options=noanonymous \\
            smtp_tls_security_level=encrypt inet_interfaces=loopback-only
        (umask 077; echo '[smtp.example.net]:587 hoge:secret' > /etc/postfix/sasl_passwd)
        postmap /etc/postfix/sasl_passwd
        """,
        port=None,
    ),
    "saslauthd-chroot": Arrangement(
        """
        mail_user
        saslauthd_smtpd_conf
        saslauthd_in_chroot pam
        submission y
        """
    ),
    "saslauthd": Arrangement(
        """
        mail_user
        saslauthd_smtpd_conf
        adduser --quiet postfix sasl
        saslauthd pam /var/run/saslauthd
        submission n
        """
    ),
    "saslauthd-bind-mount": Arrangement(
        """
        mail_user
        saslauthd_smtpd_conf
        saslauthd_mounted_into_chroot
        submission y
        """
    ),
    "saslauthd-shadow": Arrangement(
        """
        mail_user
        saslauthd_smtpd_conf
        saslauthd_in_chroot shadow
        submission y
        """
    ),
    "saslauthd-sasldb": Arrangement(
        """
        sasldb_user hoge
        saslauthd_smtpd_conf
        saslauthd_in_chroot sasldb
        submission y smtpd_sasl_local_domain=mail.example.com
        """
    ),
    "sasldb-chroot": Arrangement(
        """
        sasldb_user hoge
        sasldb_for_postfix
        mkdir -p $queue/etc
        ln /etc/sasldb2 $queue/etc/sasldb2
        auxprop_smtpd_conf
        submission y
        """,
        mechanisms=CRAM,
    ),
    "sasldb": Arrangement(
        """
        sasldb_user hoge
        sasldb_for_postfix
        auxprop_smtpd_conf
        submission n
        """,
        mechanisms=CRAM,
    ),
    # The arrangement of Debian's own package tests; it also works where /var is a file system of its own.
    "sasldb-symlink-into-chroot": Arrangement(
        """
        sasldb_user hoge
        dpkg-statoverride --remove /etc/sasldb2
        mkdir -p $queue/etc
        mv /etc/sasldb2 $queue/etc/sasldb2
        dpkg-statoverride --update --add root postfix 640 $queue/etc/sasldb2
        ln -s $queue/etc/sasldb2 /etc/sasldb2
        auxprop_smtpd_conf
        submission y
        """,
        mechanisms=CRAM,
    ),
    "dovecot": Arrangement(
        """
        mail_user
        dovecot_auth
        postconf -e smtpd_sasl_auth_enable=yes smtpd_sasl_type=dovecot smtpd_sasl_path=private/auth
        service submission y
        """
    ),
    "dovecot-submission-only": Arrangement(
        """
        mail_user
        dovecot_auth
        submission y smtpd_sasl_type=dovecot smtpd_sasl_path=private/auth
        """
    ),
    "submission-tls": Arrangement(
        """
        mail_user
        saslauthd_smtpd_conf
        saslauthd_in_chroot pam
        uncomment_service submission
        """,
        tls="starttls",
    ),
    "submissions-465": Arrangement(
        """
        mail_user
        saslauthd_smtpd_conf
        saslauthd_in_chroot pam
        uncomment_service submissions
        """,
        port=465,
        tls="implicit",
    ),
    "auth-on-25": Arrangement(
        """
        mail_user
        saslauthd_smtpd_conf
        saslauthd_in_chroot pam
        postconf -e smtpd_sasl_auth_enable=yes
        """,
        port=25,
    ),
    "main-cf-auth": Arrangement(
        """
        mail_user
        saslauthd_smtpd_conf
        saslauthd_in_chroot pam
        postconf -e smtpd_sasl_auth_enable=yes
        postconf -P smtp/inet/smtpd_sasl_auth_enable=no
        service submission y
        """
    ),
    # saslauthd knows PLAIN and LOGIN alone; CRAM-MD5 finds its passwords in sasldb2.
    "multi-verifier": Arrangement(
        """
        mail_user
        sasldb_user hoge
        sasldb_for_postfix
        mkdir -p $queue/etc
        ln /etc/sasldb2 $queue/etc/sasldb2
        smtpd_conf 'pwcheck_method: saslauthd auxprop' 'auxprop_plugin: sasldb' \\
            'mech_list: PLAIN LOGIN CRAM-MD5'
        saslauthd_in_chroot pam
        submission y
        """,
        mechanisms=CRAM,
    ),
}

SASLDB = """
sasldb_user hoge
sasldb_for_postfix
auxprop_smtpd_conf
"""

# Ways to let users relay, and nobody else.
ARRANGEMENTS |= {
    "relay-as-debian-ships": Arrangement(SASLDB + "service submission n smtpd_sasl_auth_enable=yes"),
    "relay-in-recipient-restrictions": Arrangement(
        SASLDB
        + """
        service submission n smtpd_sasl_auth_enable=yes
        postconf -e smtpd_relay_restrictions= \
            smtpd_recipient_restrictions=permit_mynetworks,permit_sasl_authenticated,reject_unauth_destination
        """
    ),
    "relay-by-parameter": Arrangement(
        SASLDB
        + """
        postconf -e 'mua_relay_restrictions=permit_sasl_authenticated, reject'
        submission n 'smtpd_relay_restrictions=$mua_relay_restrictions'
        """
    ),
    "relay-by-class": Arrangement(
        SASLDB
        + """
        postconf -e smtpd_restriction_classes=for_users 'for_users=permit_sasl_authenticated, reject'
        submission n smtpd_relay_restrictions=for_users
        """
    ),
    "relay-by-sasl-access": Arrangement(
        SASLDB
        + """
        echo 'hoge OK' > /etc/postfix/users
        postmap /etc/postfix/users
        submission n smtpd_relay_restrictions=check_sasl_access,hash:/etc/postfix/users,reject
        """
    ),
    "relay-behind-refusals": Arrangement(
        SASLDB
        + """
        echo 'someone@example.org hoge' > /etc/postfix/senders
        postmap /etc/postfix/senders
        postconf -e smtpd_helo_required=yes smtpd_helo_restrictions=reject_invalid_helo_hostname \
            smtpd_sender_login_maps=hash:/etc/postfix/senders
        submission n smtpd_sender_restrictions=reject_non_fqdn_sender,reject_sender_login_mismatch \
            smtpd_recipient_restrictions=reject_non_fqdn_recipient,permit_sasl_authenticated,reject
        """
    ),
}

# What stands beside the login on grown hosts, and must not be taken for a fault.
ARRANGEMENTS |= {
    # Port 25 is postscreen's, its smtpd is of type pass, and a content filter hands mail back on 10025.
    "postscreen-and-content-filter": Arrangement(
        """
        mail_user
        saslauthd_smtpd_conf
        saslauthd_in_chroot pam
        postconf -e smtpd_sasl_auth_enable=yes postscreen_greet_wait=1s \\
            'content_filter=amavis:[127.0.0.1]:10024'
        postconf -MX smtp/inet
        postconf -M 'smtp/inet=smtp inet n - y - 1 postscreen' 'smtpd/pass=smtpd pass - - y - - smtpd' \
            'amavis/unix=amavis unix - - y - 2 smtp' \\
            '127.0.0.1:10025/inet=127.0.0.1:10025 inet n - n - 10 smtpd'
        postconf -P 127.0.0.1:10025/inet/content_filter= 127.0.0.1:10025/inet/smtpd_relay_restrictions= \
            127.0.0.1:10025/inet/smtpd_recipient_restrictions=permit_mynetworks,reject
        service submission y
        """
    ),
    "dovecot-over-tcp": Arrangement(
        """
        mail_user
        dovecot_auth
        [ "$debian" -ge 13 ] && address=listen || address=address
        sed -i -e 's/unix_listener .*/inet_listener sasl {/' -e '/user =/d' -e '/group =/d' \
            -e "s/mode = .*/port = 12345\\n    $address = 127.0.0.1/" /etc/dovecot/conf.d/99-postfix.conf
        systemctl restart dovecot
        submission y smtpd_sasl_type=dovecot smtpd_sasl_path=inet:127.0.0.1:12345
        """
    ),
    "sasldb-without-smtpd-conf": Arrangement(
        """
        sasldb_user hoge
        sasldb_for_postfix
        mkdir -p $queue/etc
        ln /etc/sasldb2 $queue/etc/sasldb2
        submission y
        """,
        mechanisms=CRAM,
    ),
    "saslauthd-unit-of-the-admin": Arrangement(
        """
        mail_user
        saslauthd_smtpd_conf
        adduser --quiet postfix sasl
        directory=$queue/var/run/saslauthd
        cat > /etc/systemd/system/saslauthd-postfix.service <<END
[Service]
ExecStartPre=install -d -o root -g sasl -m 0710 $directory
ExecStart=/usr/sbin/saslauthd -d -a pam -m $directory
[Install]
WantedBy=multi-user.target
END
        systemctl --quiet enable --now saslauthd-postfix
        submission y
        """
    ),
    "plaintext-under-tls-alone": Arrangement(
        """
        mail_user
        saslauthd_smtpd_conf
        saslauthd_in_chroot pam
        uncomment_service submission
        postconf -e smtpd_sasl_security_options=noanonymous,noplaintext \
            smtpd_sasl_tls_security_options=noanonymous
        """,
        tls="starttls",
    ),
}
