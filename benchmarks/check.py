"""How long the whole of ``maildoctor check`` takes, against its peers, on real hosts.

On a Debian host with a working chrooted saslauthd, 1,000 packages in dpkg's status and a mail.log of 300 MB,
``maildoctor check``, ``postfix check`` and (Debian 12 alone has it) ``saslfinger -s`` run in turns; the
medians and their ratios are printed. As root, from the checkout: ``python -m benchmarks.check``.
"""

import json
import sys

from tests.hosts.arrangements import arrange
from tests.hosts.machine import Host

PACKAGES = 1000
LOG_BYTES = 300 * 1000 * 1000
ROUNDS = 15
PEERS = {"bookworm": ("postfix check", "saslfinger -s"), "trixie": ("postfix check",)}

FILL = f"""
import random
random.seed(1)
with open("/var/lib/dpkg/status", "a") as status:
    for number in range({PACKAGES}):
        status.write(f\"\"\"
Package: example-{{number}}
Status: install ok installed
Priority: optional
Section: libs
Installed-Size: {{number}}
Maintainer: Somebody <somebody@example.com>
Architecture: amd64
Version: 1.{{number}}-1
Depends: {{', '.join(f'lib{{random.randrange(9999)}} (>= 1.{{each}})' for each in range(12))}}
Description: a package
 {{' '.join(random.choice(('mail', 'server', 'library', 'of', 'the')) for _ in range(60))}}
\"\"\")
line = ("2026-11-24T04:46:05.123456+00:00 mail postfix/smtpd[{{}}]: disconnect from "
        "client.example.net[198.51.100.7] ehlo=2 starttls=1 auth=1 mail=1 rcpt=1 data=1 quit=1 commands=8\\n")
block = "".join(line.format(number) for number in range(1000, 9000)).encode()
with open("/var/log/mail.log", "wb") as log:
    for _ in range({LOG_BYTES} // len(block)):
        log.write(block)
"""

TIME = """
import json, subprocess, sys, time
commands = json.loads(sys.argv[1])
taken = {command: [] for command in commands}
for _ in range(int(sys.argv[2]) + 1):
    for command in commands:
        begun = time.perf_counter()
        subprocess.run(command.split(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        taken[command].append(time.perf_counter() - begun)
print(json.dumps({command: sorted(times[1:])[len(times) // 2] for command, times in taken.items()}))
"""


def main() -> None:
    """Print a table of medians and ratios for each release named on the command line, or for all."""
    for release in sys.argv[1:] or PEERS:
        with Host(release) as host:
            arrange(host, "saslauthd-chroot")
            host.run(["python3", "-c", FILL], timeout=300)
            commands = ["maildoctor check", *PEERS[release]]
            ran = host.run(["python3", "-c", TIME, json.dumps(commands), str(ROUNDS)], timeout=300)
        medians = json.loads(ran.stdout)
        for command, seconds in medians.items():
            ratio = medians["maildoctor check"] / seconds
            print(f"{release:<10} {command:<18} {seconds * 1000:7.0f} ms   check / this: {ratio:.2f}")


if __name__ == "__main__":
    main()
