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
CATEGORIES = {
    "NotSpecified": 0, "InvalidArgument": 5, "InvalidOperation": 7, "InvalidData": 6, "ObjectNotFound": 13,
    "OperationStopped": 14, "ParserError": 17, "PermissionDenied": 18,
}
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
            notes["ErrorDetails_ScriptStackTrace"] = "at <ScriptBlock>, <No file>: line 1"
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
        position = "" if is_empty else f"At line:1 char:{offset + 1}\n+ {text}\n+ {' ' * offset}{marks}"
        return Thing([AUTOMATION + "InvocationInfo", "System.Object"], AUTOMATION + "InvocationInfo", {
            "MyCommand": command,
            "BoundParameters": Thing([DICTIONARY, "System.Object"], items={}, holds="DCT"),
            "UnboundArguments": Thing([LIST_OF_OBJECTS, "System.Object"], items=[]),
            "ScriptLineNumber": 0 if is_empty else 1,
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
