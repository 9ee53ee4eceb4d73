"""Base trees: an installed Debian per release, built once with mmdebstrap and kept in a cache."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from debian.deb822 import Deb822

RELEASES = ("bookworm", "trixie")

PACKAGES = """\
systemd systemd-sysv dbus rsyslog ifupdown adduser procps iproute2 strace attr acl
postfix sasl2-bin libsasl2-modules libsasl2-modules-db dovecot-core dovecot-imapd ssl-cert
python3 python3-typer python3-rich python3-psutil python3-debian
"""

PRESEED = """\
postfix postfix/main_mailer_type select Internet Site
postfix postfix/mailname string mail.example.com
"""

# Hosts have no network, so the packages that a repair may install lie in a repository of their own.
FINISH = r"""
set -eu
mkdir "$1/srv/packages"
cd "$1/srv/packages"
for name in postfix sasl2-bin libsasl2 dovecot; do cp "$1"/var/cache/apt/archives/$name*.deb .; done
for deb in *.deb; do
    dpkg-deb --field "$deb"
    printf 'Filename: ./%s\nSize: %s\n' "$deb" "$(stat -c %s "$deb")"
    printf 'SHA256: %s\n\n' "$(sha256sum "$deb" | cut -d' ' -f1)"
done > Packages
rm -rf "$1"/etc/apt/sources.list.d/* "$1"/etc/apt/apt.conf.d/99mmdebstrap
echo 'deb [trusted=yes] file:/srv/packages ./' > "$1/etc/apt/sources.list"
rm -rf "$1"/var/lib/apt/lists/*
chroot "$1" apt-get -qq update
echo mail > "$1/etc/hostname"
printf '127.0.0.1 localhost\n192.0.2.10 mail.example.com mail\n' > "$1/etc/hosts"
: > "$1/etc/resolv.conf"
cat > "$1/etc/network/interfaces" <<END
auto lo host0
iface lo inet loopback
iface host0 inet static
  address 192.0.2.10/24
  gateway 192.0.2.1
END
chroot "$1" postconf -e myhostname=mail.example.com
chroot "$1" systemctl --quiet disable dovecot apt-daily.timer apt-daily-upgrade.timer
"""

_SUITE = re.compile(r"(?:bullseye|bookworm|trixie|forky|stable|oldstable|testing)(|-updates|-security)")


def cache() -> Path:
    """Where trees are kept between runs: outside the checkout."""
    path = Path(os.environ.get("MAILDOCTOR_TEST_CACHE", "/var/cache/maildoctor-tests"))
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the cache's lock NAME, so that parallel test workers do not build the same thing twice."""
    with (cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def forget_old(pattern: str) -> None:
    """Remove what earlier versions of the checkout left in the cache, unless it is less than a day old."""
    for path in cache().glob(pattern):
        if time.time() - path.stat().st_mtime > 24 * 3600:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def base_tree(release: str) -> Path:
    """The root directory of a stock host of that release; built if it is not in the cache."""
    recipe = "\n".join([release, PACKAGES, PRESEED, FINISH])
    tree = cache() / f"{release}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    with locked(tree.name):
        if not tree.is_dir():
            forget_old(f"{release}-*")
            _build(release, tree)
    return tree


def why_none() -> str | None:
    """Why this machine cannot run real hosts, if it cannot."""
    if os.geteuid() != 0:
        return "real hosts need root"
    tools = ["mmdebstrap", "systemd-nspawn", "unshare", "nsenter", "ip", "tar"]
    missing = [tool for tool in tools if not shutil.which(tool)]
    return f"real hosts need {', '.join(missing)}" if missing else None


def _build(release: str, tree: Path) -> None:
    unfinished = tree.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    log = tree.with_suffix(".log")
    with log.open("wb") as output:
        status = subprocess.run(_mmdebstrap(release, unfinished), stdout=output, stderr=output).returncode
    if status != 0:
        raise RuntimeError(f"mmdebstrap {release} ended with {status}:\n{log.read_text()[-3000:]}")
    unfinished.rename(tree)


def _mmdebstrap(release: str, target: Path) -> list[str]:
    return [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--skip=cleanup/apt/lists",
        f"--include={PACKAGES}",
        *(f"--aptopt={option}" for option in _apt_options()),
        f"--essential-hook=printf '%s' '{PRESEED}' | chroot \"$1\" debconf-set-selections",
        f"--customize-hook={FINISH}",
        release,
        str(target),
        *_mirror_lines(release),
    ]


def _apt_options() -> list[str]:
    """What this machine's apt needs to reach its mirror (a proxy, say), not what it likes to download."""
    settings = subprocess.run(["apt-config", "dump"], check=True, capture_output=True, text=True).stdout
    wanted = re.compile(r'Acquire::(?:https?::|Retries|Check-)[^ ]* "[^"]+";')
    return [line for line in settings.splitlines() if wanted.fullmatch(line)]


def _mirror_lines(release: str) -> list[str]:
    """One-line apt sources for RELEASE on the mirrors that this machine itself uses."""
    mirrors: dict[str, str] = {}
    for uri, suite in _apt_sources():
        if found := _SUITE.fullmatch(suite):
            mirrors.setdefault(found[1], uri)
    if "" not in mirrors:
        raise RuntimeError("no Debian mirror in this machine's apt sources")
    return [f"deb {uri} {release}{kind} main" for kind, uri in sorted(mirrors.items())]


def _apt_sources(directory: Path = Path("/etc/apt")) -> Iterator[tuple[str, str]]:
    """(URI, suite) of every binary source that is switched on, from both formats of sources.list(5)."""
    for path in sorted(directory.glob("sources.list.d/*.sources")):
        for source in Deb822.iter_paragraphs(path.read_text()):
            if source.get("Enabled", "yes") != "no" and "deb" in source.get("Types", "").split():
                for uri in source.get("URIs", "").split():
                    yield from ((uri, suite) for suite in source.get("Suites", "").split())
    for path in [directory / "sources.list", *sorted(directory.glob("sources.list.d/*.list"))]:
        lines = path.read_text().splitlines() if path.is_file() else []
        for line in lines:
            if found := re.match(r"deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)", line):
                yield found[1], found[2]
