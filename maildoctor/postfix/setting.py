"""Where a service's parameter is set, and the action that sets it just there."""

from maildoctor.finding import Evidence
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
