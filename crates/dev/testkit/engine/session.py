"""A runspace of the stand-in engine: variables, functions, location, history."""

import os

from psrpcore import types as ps

from clixml import AUTOMATION_DICTIONARY, Thing
from members import HostObject

PREFERENCES = {
    "erroractionpreference": "Continue", "warningpreference": "Continue", "verbosepreference": "SilentlyContinue",
    "debugpreference": "SilentlyContinue", "informationpreference": "SilentlyContinue",
    "progresspreference": "Continue", "confirmpreference": "High",
}
SPELLED = {name.lower(): name for name in (
    "ConfirmPreference", "DebugPreference", "ErrorActionPreference", "InformationPreference", "ProgressPreference",
    "PSNativeCommandUseErrorActionPreference", "VerbosePreference", "WarningPreference", "WhatIfPreference", "ErrorView", "HOME",
    "PID", "PWD", "PSCulture", "PSUICulture", "PSEdition", "ShellId", "IsLinux", "IsWindows", "IsMacOS", "IsCoreCLR", "Error",
    "NestedPromptLevel", "PSStyle", "LASTEXITCODE",
)}
VERSION = "7.6.5"


def versions():
    names = ["1.0", "2.0", "3.0", "4.0", "5.0", "5.1", "6.0", "7.0"]
    kind = ["System.Version[]", "System.Array", "System.Object"]
    return Thing(kind, items=[ps.PSVersion(name) for name in names])


def version_table(protocol):
    """`PSVersionTable` in the private data. It says the version whose behaviour is imitated, and who imitates it."""
    kind = [AUTOMATION_DICTIONARY, "System.Collections.Hashtable", "System.Object"]
    return Thing(kind, holds="DCT", items={
        "PSVersion": ps.PSVersion(VERSION), "PSEdition": "Core", "GitCommitId": "stand-in engine",
        "PSSemanticVersion": VERSION, "OS": "stand-in engine on " + os.uname().sysname, "Platform": "Unix",
        "PSCompatibleVersions": versions(), "PSRemotingProtocolVersion": protocol,
        "SerializationVersion": ps.PSVersion("1.1.0.1"), "WSManStackVersion": ps.PSVersion("3.0"),
    })


def version_variable():
    kind = ["System.Management.Automation.PSVersionHashTable", "System.Collections.Hashtable", "System.Object"]
    major, minor, patch = (int(part) for part in VERSION.split("."))
    semantic = Thing(["System.Management.Automation.SemanticVersion", "System.Object"], VERSION, {
        "Major": major, "Minor": minor, "Patch": patch, "PreReleaseLabel": None, "BuildLabel": None,
    })
    return Thing(kind, holds="DCT", items={
        "PSVersion": semantic, "PSEdition": "Core", "GitCommitId": "stand-in engine",
        "OS": "stand-in engine on " + os.uname().sysname, "Platform": "Unix", "PSCompatibleVersions": versions(),
        "PSRemotingProtocolVersion": ps.PSVersion("2.4"), "SerializationVersion": ps.PSVersion("1.1.0.1"),
        "WSManStackVersion": ps.PSVersion("3.0"),
    })


class Session:
    def __init__(self, engine, number):
        self.engine = engine
        self.number = number
        self.functions = {}
        self.using = {}
        self.succeeded = True
        self.reset()
        # A runspace begins at home, wherever the engine was started.
        self.location = os.path.expanduser("~")

    def reset(self):
        """What RESET_RUNSPACE_STATE takes back: variables and location; functions and environment stay."""
        self.variables = dict(PREFERENCES)
        self.errors = []
        self.history = []
        self.history_id = 1
        self.location = os.path.expanduser("~")

    def variable(self, name, pipeline):
        if name in self.variables:
            return self.variables[name]
        if name == "host":
            return HostObject()
        if name == "psversiontable":
            return version_variable()
        if name == "pssenderinfo":
            kind = ["System.Management.Automation.Remoting.PSSenderInfo", "System.Object"]
            arguments = Thing([AUTOMATION_DICTIONARY, "System.Collections.Hashtable", "System.Object"],
                              items=dict(self.engine.arguments), holds="DCT")
            return Thing(kind, kind[0], {"ApplicationArguments": arguments})
        return self.automatic().get(name)

    def automatic(self):
        """Variables that PowerShell sets itself."""
        return {
            "true": True, "false": False, "null": None, "pid": os.getpid(), "error": self.errors,
            "home": os.path.expanduser("~"), "pwd": self.location, "psculture": "en-US", "psuiculture": "en-US",
            "psedition": "Core", "shellid": "Microsoft.PowerShell", "islinux": True, "iswindows": False,
            "ismacos": False, "iscoreclr": True, "?": self.succeeded, "errorview": "ConciseView",
            "whatifpreference": False, "psnativecommanduseerroractionpreference": False, "nestedpromptlevel": 0,
        }

    def spelled(self, name):
        """A variable's name as PowerShell spells it."""
        return SPELLED.get(name, name)
