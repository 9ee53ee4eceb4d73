"""How the saslauthd that a service asks verifies: the one that runs or, where none does, the one set up."""

from maildoctor.fact import fact
from maildoctor.host import Host
from maildoctor.postfix.service import Service
from maildoctor.sasl.intention import needs_saslauthd
from maildoctor.sasl.saslauthd import main_instance
from maildoctor.sasl.saslauthd_arguments import Arguments
from maildoctor.sasl.saslauthd_daemon import daemons
from maildoctor.sasl.saslauthd_reach import reach, real
from maildoctor.source import Source, Sourced


@fact
def verifier(host: Host, service: Service) -> Sourced[Arguments] | None:
    """Give the arguments of the saslauthd that this service asks; None where it asks none."""
    if not needs_saslauthd(host, service):
        return None
    wanted = real(host, reach(host, service).path.value, service.root)
    running = daemons(host) if host.live else ()
    for daemon in sorted(running, key=lambda each: real(host, each.arguments.socket) != wanted):
        return Sourced(daemon.arguments, Source(f"command line of pid {daemon.pids[0]}"))
    instance = main_instance(host)
    return Sourced(instance.arguments, instance.mechanism.source) if instance else None
