"""The records of the stand-in engine: errors as PowerShell 7 writes them, and the rest of the streams."""

import datetime
import os
import threading

from psrpcore import types as ps

from clixml import LIST_OF_STRINGS, Thing, bag, enumeration

DICTIONARY = (
    "System.Collections.Generic.Dictionary`2[[System.String, System.Private.CoreLib, Version=10.0.0.0, "
    "Culture=neutral, PublicKeyToken=7cec85d7bea7798e],[System.Object, System.Private.CoreLib, "
    "Version=10.0.0.0, Culture=neutral, PublicKeyToken=7cec85d7bea7798e]]"
)
LIST_OF_OBJECTS = (
    "System.Collections.Generic.List`1[[System.Object, System.Private.CoreLib, Version=10.0.0.0, "
    "Culture=neutral, PublicKeyToken=7cec85d7bea7798e]]"
)
AUTOMATION = "System.Management.Automation."
RUNTIME = [AUTOMATION + "RuntimeException", "System.SystemException", "System.Exception", "System.Object"]
CATEGORIES = {name: number for number, name in enumerate((
    "NotSpecified", "OpenError", "CloseError", "DeviceError", "DeadlockDetected", "InvalidArgument", "InvalidData",
    "InvalidOperation", "InvalidResult", "InvalidType", "MetadataError", "NotImplemented", "NotInstalled", "ObjectNotFound",
    "OperationStopped", "OperationTimeout", "SyntaxError", "ParserError", "PermissionDenied", "ResourceBusy",
    "ResourceExists", "ResourceUnavailable", "ReadError", "WriteError", "FromStdErr", "SecurityError", "ProtocolError",
    "ConnectionError", "AuthenticationError", "LimitsExceeded", "QuotaExceeded", "NotEnabled",
))}
COLORS = [
    "Black", "DarkBlue", "DarkGreen", "DarkCyan", "DarkRed", "DarkMagenta", "DarkYellow", "Gray", "DarkGray",
    "Blue", "Green", "Cyan", "Red", "Magenta", "Yellow", "White",
]


def color_number(name):
    return next((number for number, color in enumerate(COLORS) if color.lower() == str(name).lower()), -1)


class Failure(Exception):
    """An error record on its way. `ends` says how much ends with it: the statement or the pipeline."""

    def __init__(self, message, kind=None, error_id=None, category="NotSpecified", target=None, ends="statement",
                 activity="", hresult=-2146233087, thrown=False, name=None):
        super().__init__(message)
        self.message = message
        self.kind = kind or RUNTIME
        self.error_id = error_id or message
        self.category = category
        self.target = target
        self.ends = ends
        self.activity = activity
        self.hresult = hresult
        self.thrown = thrown
        self.name = name
        self.where = None
        # The line of the script, from one.
        self.line = 1
        self.is_parse = False

    @property
    def reason(self):
        return self.kind[0].rpartition(".")[2]

    def target_text(self):
        if self.target is None:
            return "", ""
        return str(self.target), {str: "String", int: "Int32", bool: "Boolean"}.get(type(self.target), "Object")

    def exception(self):
        props = {}
        if AUTOMATION + "RuntimeException" in self.kind and not self.is_parse:
            props = {"ErrorRecord": self.message}
            if self.name is not None:
                props["CommandName"] = self.name
            props["WasThrownFromThrowStatement"] = self.thrown
        props |= {
            "TargetSite": None,
            "Message": self.message,
            "Data": Thing(["System.Collections.ListDictionaryInternal", "System.Object"], items={}, holds="DCT"),
            "InnerException": None, "HelpLink": None, "Source": None, "HResult": self.hresult, "StackTrace": None,
        }
        return Thing(self.kind, f"{self.kind[0]}: {self.message}", props)

    def record(self):
        target, target_type = self.target_text()
        activity = self.activity
        category = f"{self.category}: ({target}:{target_type}) [{activity}], {self.reason}"
        notes = {
            "Exception": self.exception(),
            "TargetObject": self.target,
            "FullyQualifiedErrorId": self.error_id,
            "InvocationInfo": self.invocation(),
            "ErrorCategory_Category": CATEGORIES[self.category],
            "ErrorCategory_Activity": activity,
            "ErrorCategory_Reason": self.reason,
            "ErrorCategory_TargetName": target,
            "ErrorCategory_TargetType": target_type,
            "ErrorCategory_Message": category,
            "SerializeExtendedInfo": False,
        }
        if self.where is not None and not self.is_parse:
            notes["ErrorDetails_ScriptStackTrace"] = f"at <ScriptBlock>, <No file>: line {self.line}"
        if self.ends == "nothing" or (self.ends == "statement" and not self.thrown):
            notes["PSMessageDetails"] = None
        return Thing([AUTOMATION + "ErrorRecord", "System.Object"], self.message, notes=notes)

    def invocation(self):
        if self.where is None:
            return None
        line, offset, statement, history, command, name = self.where
        is_empty = not line
        text = line.split("\n")[0] if line else ""
        marks = "~" * max(1, min(len(statement), len(text) - offset)) if line else ""
        position = "" if is_empty else f"At line:{self.line} char:{offset + 1}\n+ {text}\n+ {' ' * offset}{marks}"
        return Thing([AUTOMATION + "InvocationInfo", "System.Object"], AUTOMATION + "InvocationInfo", {
            "MyCommand": command,
            "BoundParameters": Thing([DICTIONARY, "System.Object"], items={}, holds="DCT"),
            "UnboundArguments": Thing([LIST_OF_OBJECTS, "System.Object"], items=[]),
            "ScriptLineNumber": 0 if is_empty else self.line,
            "OffsetInLine": 0 if is_empty else offset + 1,
            "HistoryId": ps.PSInt64(history),
            "ScriptName": "", "Line": text, "Statement": statement, "PositionMessage": position,
            "PSScriptRoot": "", "PSCommandPath": None, "InvocationName": name,
            "PipelineLength": 0, "PipelinePosition": 0, "ExpectingInput": False, "CommandOrigin": "Internal",
            "DisplayScriptPosition": None,
        })


class Stopped(Exception):
    """The client has stopped the pipeline."""


def stopped():
    kind = [AUTOMATION + "PipelineStoppedException"] + RUNTIME
    return Failure("The pipeline has been stopped.", kind, "PipelineStopped", "OperationStopped", ends="stop").record()


def command_not_found(name):
    kind = [AUTOMATION + "CommandNotFoundException"] + RUNTIME
    message = (
        f"The term '{name}' is not recognized as a name of a cmdlet, function, script file, or executable program."
        "\nCheck the spelling of the name, or if a path was included, verify that the path is correct and try again."
    )
    return Failure(message, kind, "CommandNotFoundException", "ObjectNotFound", name, name=name)


def item_not_found(path, activity):
    kind = [AUTOMATION + "ItemNotFoundException", AUTOMATION + "SessionStateException"] + RUNTIME
    command = "".join(activity.split("-")) + "Command"
    return Failure(
        f"Cannot find path '{path}' because it does not exist.", kind,
        f"PathNotFound,Microsoft.PowerShell.Commands.{command}", "ObjectNotFound", path, "nothing", activity,
    )


def binding_failure(message, error_id, command):
    kind = [AUTOMATION + "ParameterBindingException", *RUNTIME]
    where = "".join(command.split("-")) + "Command"
    return Failure(message, kind, f"{error_id},Microsoft.PowerShell.Commands.{where}", "InvalidArgument", ends="pipeline",
                   activity=command)


def parameter_not_found(name, command):
    message = f"A parameter cannot be found that matches parameter name '{name}'."
    return binding_failure(message, "NamedParameterNotFound", command)


def argument_missing(name, command):
    message = f"Missing an argument for parameter '{name}'. Specify a parameter and try again."
    return binding_failure(message, "MissingArgument", command)


def position_not_found(value, command):
    message = f"A positional parameter cannot be found that accepts argument '{value}'."
    return binding_failure(message, "PositionalParameterNotFound", command)


def session_state_failure(kind, message, error_id, target, activity):
    types = [AUTOMATION + kind, AUTOMATION + "SessionStateException"] + RUNTIME
    command = "".join(activity.split("-")) + "Command"
    return Failure(message, types, f"{error_id},Microsoft.PowerShell.Commands.{command}", "ObjectNotFound", target, "nothing", activity)


def drive_not_found(drive, activity):
    message = f"Cannot find drive. A drive with the name '{drive}' does not exist."
    return session_state_failure("DriveNotFoundException", message, "DriveNotFound", drive, activity)


def variable_not_found(name):
    message = f"Cannot find a variable with the name '{name}'."
    return session_state_failure("ItemNotFoundException", message, "VariableNotFound", name, "Get-Variable")


def path_not_found(path, activity):
    return item_not_found(path, activity)


def item_exists(path):
    kind = ["System.IO.IOException", "System.SystemException", "System.Exception", "System.Object"]
    return Failure(f"The file '{path}' already exists.", kind, "NewItemIOError,Microsoft.PowerShell.Commands.NewItemCommand",
                   "WriteError", path, "statement", "New-Item")


def file_failure(error, path, activity):
    """What the system said of a file."""
    name, message, category = {
        FileNotFoundError: ("System.IO.DirectoryNotFoundException", f"Could not find a part of the path '{path}'.", "OpenError"),
        IsADirectoryError: ("System.UnauthorizedAccessException", f"Access to the path '{path}' is denied.", "OpenError"),
        PermissionError: ("System.UnauthorizedAccessException", f"Access to the path '{path}' is denied.", "PermissionDenied"),
    }.get(type(error), ("System.IO.IOException", f"The parameter is incorrect. : '{path}'", "WriteError"))
    command = "".join(activity.split("-")) + "Command"
    return Failure(message, [name, "System.SystemException", "System.Exception", "System.Object"],
                   f"FileOpenFailure,Microsoft.PowerShell.Commands.{command}", category, path, "statement", activity)


def native_error(line, place):
    """A line that a program wrote to its standard error; only the first says which command it was."""
    kind = [AUTOMATION + "RemoteException", *RUNTIME]
    error_id = "NativeCommandErrorMessage" if place else "NativeCommandError"
    return Failure(line, kind, error_id, "NotSpecified", line, "nothing")


def written_error(message, target=None, error_id=None, activity="Write-Error"):
    kind = "Microsoft.PowerShell.Commands.WriteErrorException"
    return Failure(
        message, [kind, "System.SystemException", "System.Exception", "System.Object"], error_id or kind,
        "NotSpecified", target, "nothing", activity,
    )


def divided_by_zero():
    return Failure("Attempted to divide by zero.", None, "RuntimeException", "NotSpecified")


def incomplete(message, error_id):
    kind = [AUTOMATION + "IncompleteParseException", AUTOMATION + "ParseException"] + RUNTIME
    failure = Failure(message, kind, error_id, "ParserError", ends="pipeline", hresult=-2146233087)
    failure.is_parse = True
    return failure


def informational(kind, message):
    types = [AUTOMATION + kind, AUTOMATION + "InformationalRecord", "System.Object"]
    return Thing(types, message, notes={
        "InformationalRecord_Message": message, "InformationalRecord_SerializeInvocationInfo": False,
    })


def information(data, source, tags=()):
    zone = datetime.datetime.now().astimezone()
    return bag(
        MessageData=data, Source=source,
        TimeGenerated=ps.PSDateTime(zone.year, zone.month, zone.day, zone.hour, zone.minute, zone.second,
                                    zone.microsecond, tzinfo=zone.tzinfo),
        Tags=Thing([LIST_OF_STRINGS, "System.Object"], items=list(tags)),
        User=os.environ.get("USER", "user"), Computer=os.uname().nodename, ProcessId=ps.PSUInt(os.getpid()),
        NativeThreadId=ps.PSUInt(threading.get_native_id()), ManagedThreadId=ps.PSUInt(5),
    )


def host_message(message, foreground, background, no_newline):
    return Thing([AUTOMATION + "HostInformationMessage", "System.Object"], message, {
        "Message": message, "NoNewLine": no_newline, "ForegroundColor": foreground, "BackgroundColor": background,
    })


def progress(activity, status="Processing", activity_id=0, percent=-1, seconds=-1, operation=None, parent=-1,
             completed=False):
    kind = ("Completed", 1) if completed else ("Processing", 0)
    return bag(
        Activity=activity, ActivityId=activity_id, StatusDescription=status, CurrentOperation=operation,
        ParentActivityId=parent, PercentComplete=percent,
        Type=enumeration(AUTOMATION + "ProgressRecordType", *kind), SecondsRemaining=seconds,
    )
