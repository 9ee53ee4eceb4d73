"""What the checks of packages share."""

from maildoctor.debian.packages import STATUS, Package
from maildoctor.finding import Evidence
from maildoctor.postfix.service import Service


def asks_cyrus(service: Service) -> bool:
    """Tell whether Cyrus SASL verifies this service's passwords."""
    return service.parameter("smtpd_sasl_type").value in ("cyrus", "")


def state(name: str, found: Package | None) -> Evidence:
    """Say how dpkg sees a package."""
    return Evidence(STATUS, f"{name}: {f'{found.state} ({found.version})' if found else 'not installed'}")


def query(name: str) -> str:
    """Give the command that shows a package's state."""
    return f"dpkg-query -W -f='${{Package}} ${{db:Status-Status}}\\n' {name}"
