"""Real Debian hosts for the tests: built once, booted in about a second, thrown away.

`tree` builds the operating system, `layer` installs maildoctor on it, `machine` boots and enters it,
`arrangements` sets it up as an admin would, and `smtp` is the mail client that tries to log in.
"""
