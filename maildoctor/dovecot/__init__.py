"""Dovecot as Postfix's SASL server: its configuration, its master process, its auth socket."""
