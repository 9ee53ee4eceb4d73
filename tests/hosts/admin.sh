# What an admin does to set up SMTP AUTH, as shell functions; arrangements.py puts them together.
# shellcheck shell=sh

queue=/var/spool/postfix
# shellcheck source=/dev/null
debian=$(. /etc/os-release && echo "$VERSION_ID")

mail_user() {
    adduser --quiet --disabled-password --gecos '' hoge
    echo 'hoge:correct horse' | chpasswd
}

sasldb_user() { # USER
    echo 'correct horse' | saslpasswd2 -p -c -u mail.example.com "$1"
}

discard_outgoing_mail() {
    postconf -e default_transport=discard:
}

# smtpd may read sasldb2 but not write it, today and after the next upgrade.
sasldb_for_postfix() {
    dpkg-statoverride --force-all --quiet --remove /etc/sasldb2
    dpkg-statoverride --update --add root postfix 640 /etc/sasldb2
}

smtpd_conf() { # LINE...
    printf '%s\n' "$@" > /etc/postfix/sasl/smtpd.conf
}

auxprop_smtpd_conf() {
    smtpd_conf 'pwcheck_method: auxprop' 'auxprop_plugin: sasldb' 'mech_list: PLAIN LOGIN CRAM-MD5'
}

saslauthd_smtpd_conf() {
    smtpd_conf 'pwcheck_method: saslauthd' 'mech_list: PLAIN LOGIN'
}

service() { # NAME CHROOT OPTION=VALUE...
    name=$1
    postconf -M "$1/inet=$1 inet n - $2 - - smtpd"
    shift 2
    for option in "syslog_name=postfix/$name" "$@"; do
        postconf -P "$name/inet/$option"
    done
}

submission() { # CHROOT OPTION=VALUE...
    chroot=$1
    shift
    service submission "$chroot" smtpd_sasl_auth_enable=yes \
        smtpd_relay_restrictions=permit_sasl_authenticated,reject "$@"
}

# Debian's master.cf has a service for logins, with good options, that only waits to be switched on.
uncomment_service() { # NAME
    awk -v name="#$1" '
        /^#[a-z]/ { ours = $1 == name }
        ours && /^#([a-z]|  -o)/ { sub(/^#/, "") }
        { print }
    ' /etc/postfix/master.cf > /etc/postfix/master.cf.new
    mv /etc/postfix/master.cf.new /etc/postfix/master.cf
}

saslauthd() { # MECHANISM DIRECTORY
    sed -i -e '/^START=/d' -e "s|^MECHANISMS=.*|MECHANISMS=\"$1\"|" \
        -e "s|^OPTIONS=.*|OPTIONS=\"-c -m $2\"|" /etc/default/saslauthd
    [ "$debian" -ge 13 ] || echo START=yes >> /etc/default/saslauthd
    systemctl --quiet enable saslauthd
    systemctl restart saslauthd
}

saslauthd_in_chroot() { # MECHANISM
    directory=$queue/var/run/saslauthd
    dpkg-statoverride --add root sasl 710 $directory
    [ "$debian" -lt 13 ] || saslauthd_unit_for $directory
    adduser --quiet postfix sasl
    saslauthd "$1" $directory
}

# From Debian 13 on saslauthd has a unit of its own that knows only the directory in /run.
saslauthd_unit_for() { # DIRECTORY
    install -d "$(dirname "$1")"
    install -d -o root -g sasl -m 710 "$1"
    mkdir -p /etc/systemd/system/saslauthd.service.d
    printf '[Service]\nPIDFile=%s/saslauthd.pid\n' "$1" > /etc/systemd/system/saslauthd.service.d/chroot.conf
    systemctl daemon-reload
}

saslauthd_mounted_into_chroot() {
    mkdir -p $queue/var/run/saslauthd
    echo "/run/saslauthd $queue/var/run/saslauthd none bind,nofail,x-systemd.requires=saslauthd.service 0 0" >> /etc/fstab
    mkdir -p /etc/systemd/system/saslauthd.service.d
    printf '[Service]\nRuntimeDirectoryPreserve=yes\n' > /etc/systemd/system/saslauthd.service.d/mount.conf
    systemctl daemon-reload
    adduser --quiet postfix sasl
    saslauthd pam /run/saslauthd
    mount $queue/var/run/saslauthd
}

dovecot_auth() {
    cat > /etc/dovecot/conf.d/99-postfix.conf <<END
auth_mechanisms = plain login
service auth {
  unix_listener $queue/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
END
    systemctl --quiet enable dovecot
    systemctl restart dovecot
}
