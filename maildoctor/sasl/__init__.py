"""Cyrus SASL: smtpd.conf, saslauthd, sasldb2."""
