"""Where a service's parameter is set, and the action that sets it just there."""

from maildoctor.finding import Evidence, Impact
from maildoctor.host import Host
from maildoctor.postfix import tls
from maildoctor.postfix.configuration import login_services
from maildoctor.postfix.service import Service
from maildoctor.remedy import Action, RemoveParameter, RemoveServiceOption, SetParameter, SetServiceOption


def assign(service: Service, name: str, value: str) -> Action:
    """Set a parameter where it is set now: below the service in master.cf, else in main.cf.

    In master.cf words are separated by commas, since a space would end the option before Postfix 3.0.
    """
    if name not in service.options:
        return SetParameter(name, value)
    return SetServiceOption(
        service.entry, name, value if "{" in value else ",".join(value.replace(",", " ").split())
    )


def assign_here(service: Service, name: str, value: str) -> Action:
    """Set a parameter for this service alone."""
    return SetServiceOption(service.entry, name, value)


def unset(service: Service, name: str) -> Action:
    """Take a setting away where it stands, so that what stands behind it holds again."""
    if name in service.options:
        return RemoveServiceOption(service.entry, name)
    return RemoveParameter(name)


def evidence(service: Service, name: str) -> Evidence:
    """Give a parameter's value and the line that sets it."""
    setting = service.parameter(name)
    return Evidence.at(setting.source, f"{name} = {setting.value}".rstrip())


def proof(service: Service, *names: str) -> str:
    """Give a shell command that shows parameters as this service sees them."""
    commands = [f"postconf -P {service.entry}/{name}" for name in names if name in service.options]
    in_main = [name for name in names if name not in service.options]
    if in_main:
        commands.append(f"postconf -x {' '.join(in_main)}")
    return "; ".join(commands)


def cost(host: Host, service: Service, *names: str, where_auth_is_on: bool = False) -> Impact:
    """Say what it costs that smtpd fails because of these parameters: incoming mail, or logins alone.

    It is the former if port 25 has them from the same lines; with ``where_auth_is_on``, if it has AUTH too.
    """
    for other in login_services(host):
        same = all(other.parameter(name).source == service.parameter(name).source for name in names)
        if other.port == 25 and same and (not where_auth_is_on or _sets_up_sasl(host, other)):
            return Impact.INCOMING_MAIL
    return Impact.ALL_LOGINS


def _sets_up_sasl(host: Host, service: Service) -> bool:
    return service.flag("smtpd_sasl_auth_enable") and tls.reaches_sasl(host, service)
