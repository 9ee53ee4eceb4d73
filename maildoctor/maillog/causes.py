"""Codes that judgement uses by name; all others stand in the catalogue alone."""

SILENT = (
    "smtpd-conf-missing",
    "smtpd-conf-misplaced",
    "saslauthd-not-asked",
    "sasl-config-path-wrong",
    "smtpd-conf-left-over",
    "sasldb-missing",
    "sasldb-missing-in-chroot",
    "sasldb-empty",
    "sasldb-stale-copy",
    "sasldb-link-out-of-chroot",
    "sasldb-realm-mismatch",
    "sasldb-arguments-swapped",
    "sasldb-plugin-missing",
    "auxprop-plugin-unknown",
    "saslauthd-sasldb-empty",
    "saslauthd-realm-not-combined",
    "saslauthd-realm-combined",
    "saslauthd-mechanism-unprepared",
    "smtpd-conf-option-twice",
    "pam-service-refuses",
    "pam-module-missing",
    "pwcheck-method-unknown",
    "wrong-verifier-selected",
    "password-format-mismatch",
)
"""Faults that write the very lines of a wrong password; the likeliest first."""
