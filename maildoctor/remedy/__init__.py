"""Remedies: actions as data. A remedy knows no check; a check never edits."""

from maildoctor.remedy.account_action import AddUserToGroup, SetSaslPassword, StatOverride
from maildoctor.remedy.action import Action
from maildoctor.remedy.file_action import SetLine, WriteFile
from maildoctor.remedy.path_action import ChangeOwner, HardLink, MakeDirectory, MoveFile, SymbolicLink
from maildoctor.remedy.postfix_action import (
    AddService,
    RemoveParameter,
    RemoveServiceOption,
    SetParameter,
    SetServiceField,
    SetServiceOption,
)
from maildoctor.remedy.remedy import Option, Remedy, Safety
from maildoctor.remedy.service_action import (
    ContinueUnit,
    EnableUnit,
    InstallPackages,
    ReloadUnit,
    RestartUnit,
    StartUnit,
    UnitDropIn,
    UnmaskUnit,
)
from maildoctor.remedy.system import System

__all__ = [
    "Action",
    "AddService",
    "AddUserToGroup",
    "ChangeOwner",
    "ContinueUnit",
    "EnableUnit",
    "HardLink",
    "InstallPackages",
    "MakeDirectory",
    "MoveFile",
    "Option",
    "ReloadUnit",
    "Remedy",
    "RemoveParameter",
    "RemoveServiceOption",
    "RestartUnit",
    "Safety",
    "SetLine",
    "SetParameter",
    "SetSaslPassword",
    "SetServiceField",
    "SetServiceOption",
    "StartUnit",
    "StatOverride",
    "SymbolicLink",
    "System",
    "UnitDropIn",
    "UnmaskUnit",
    "WriteFile",
]
