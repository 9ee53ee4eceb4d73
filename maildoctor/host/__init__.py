"""One machine, read-only: the one that runs (``LiveHost``), or a directory tree (``TreeHost``)."""

from maildoctor.host.base import Host, Step
from maildoctor.host.errors import (
    CannotLook,
    CommandFailed,
    CommandHung,
    CommandMissing,
    LinkLoop,
    Missing,
    NeedsLiveHost,
    NotADirectory,
    NotRegular,
    Refused,
    TooLarge,
    Unreadable,
)
from maildoctor.host.live import LiveHost, Output, this_host
from maildoctor.host.tree import TreeHost

__all__ = [
    "CannotLook",
    "CommandFailed",
    "CommandHung",
    "CommandMissing",
    "Host",
    "LinkLoop",
    "LiveHost",
    "Missing",
    "NeedsLiveHost",
    "NotADirectory",
    "NotRegular",
    "Output",
    "Refused",
    "Step",
    "TooLarge",
    "TreeHost",
    "Unreadable",
    "this_host",
]
