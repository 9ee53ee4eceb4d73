"""maildoctor: why SMTP AUTH does not work on a Postfix server, and how to mend it."""

__version__ = "0.1.0"
