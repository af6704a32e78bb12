"""What `Out-Default` of the stand-in engine shows, and the typed objects of its commands."""

import datetime
import grp
import os
import pwd
import stat
import uuid

from psrpcore import types as ps

import members
from clixml import Thing, enumeration
from records import AUTOMATION, CATEGORIES, color_number

COLLECTION = "System.Collections.ObjectModel.Collection`1[[{}, System.Management.Automation, Version=7.6.5.0, " \
    "Culture=neutral, PublicKeyToken=31bf3856ad364e35]]"
STRINGS = "System.Collections.ObjectModel.Collection`1[[System.String, System.Private.CoreLib, Version=10.0.0.0, " \
    "Culture=neutral, PublicKeyToken=7cec85d7bea7798e]]"
PROCESS = [(" NPM(K)", "NPM"), ("   PM(M)", "PM"), ("     WS(M)", "WS"), ("    CPU(s)", "CPU"), ("     Id", "Id"),
           (" SI", "SI"), ("ProcessName", "ProcessName")]


# Layouts that a text does not end.
OPEN = ("table", "credential")


class Formatted:
    """An object that Format-List or Format-Table has prepared."""

    def __init__(self, value, layout, names):
        self.value = value
        self.layout = layout
        self.names = names


def color(value):
    if value is None:
        return -1
    if isinstance(value, int):
        return int(value)
    return color_number(value)


def green(text):
    return f"\x1b[32;1m{text}\x1b[0m"


def show(values, pipeline):
    """Pairs of the host's method and a line."""
    group, key = [], None
    # A text within a table does not end it: the empty line behind it comes at the end.
    is_owed = False
    room = width_of(pipeline)
    for value in values:
        pipeline.check()
        if isinstance(value, members.HostObject):
            value = members.listed(value, pipeline)
        elif isinstance(value, ps.PSDuration):
            value = members.span_list(value)
        value = members.shown(value)
        new = layout(value)
        if group and new and is_plain_table(group[0]) and is_plain_table(value):
            # The first object of its kind decides the columns of all that follow.
            new = key
        if group and new != key:
            yield from flush(group, key, new is not None, room)
            is_owed = new is None and key[0] in OPEN
            group = []
        if new is None:
            yield from plain(value, pipeline)
        else:
            if is_owed:
                yield "WriteLine2", ""
                is_owed = False
            key = new
            group.append(value)
    if group:
        yield from flush(group, key, True, room)
    elif is_owed:
        yield "WriteLine2", ""


def is_plain_table(value):
    """An object without a view of its own that is shown as a table."""
    return isinstance(value, Thing) and value.type_names[:1] != [AUTOMATION + "PathInfo"] and (layout(value) or "")[0] == "table"


def width_of(pipeline):
    """The columns that are written to: one less than the client's window has."""
    size = pipeline.host_value("BufferSize") if pipeline.has_user() else None
    return int(size.width) - 1 if getattr(size, "width", None) else None


def lines(values, pipeline):
    """The same as text, without colours."""
    import re

    return [re.sub("\x1b\\[[0-9;]*m", "", line) for _, line in show(values, pipeline)]


def layout(value):
    inner = value.value if isinstance(value, Formatted) else value
    if isinstance(value, Formatted):
        return (value.layout, tuple(value.names or properties(inner)))
    if isinstance(value, (dict, ps.PSDictBase)):
        return ("dictionary", ())
    if isinstance(inner, ps.PSDateTime):
        return ("date", ())
    if isinstance(inner, uuid.UUID):
        return ("table", ("Guid",))
    if isinstance(inner, ps.PSVersion):
        return ("version", ())
    if isinstance(value, Thing) and value.holds == "DCT" and value.items is not None:
        return ("dictionary", ())
    if not isinstance(value, Thing) or is_error(value) or value.items is not None or value.base is not None:
        return None
    if value.type_names[:1] == ["System.Diagnostics.Process"]:
        return ("process", ())
    if value.type_names[:1] in (["System.IO.DirectoryInfo"], ["System.IO.FileInfo"]):
        return ("files", (os.path.dirname(value.get("FullName").rstrip("/")),))
    if value.type_names[:1] == ["Microsoft.PowerShell.Commands.HistoryInfo"]:
        return ("history", ())
    if value.type_names[:1] == [AUTOMATION + "PathInfo"]:
        return ("table", ("Path",))
    if value.type_names[1:2] == [AUTOMATION + "CommandInfo"]:
        return ("commands", ())
    if value.type_names[:1] == [AUTOMATION + "PSCredential"]:
        return ("credential", ())
    names = properties(value)
    if not names or not value.type_names:
        return None if value.text or not names else ("list", tuple(names))
    return ("table" if len(names) <= 4 else "list", tuple(names))


def properties(value):
    return value.names() if isinstance(value, Thing) else []


def is_error(value):
    kind = value.type_names[:1] if isinstance(value, Thing) else value.PSObject.type_names[:1] if isinstance(value, ps.PSObject) else []
    return any("ErrorRecord" in name for name in kind)


def plain(value, pipeline):
    from values import text_of

    if is_error(value):
        is_native = isinstance(value, Thing) and str(value.get("FullyQualifiedErrorId")).startswith("NativeCommandError")
        # The record of a pipeline that failed, which a client gives back, is shown as any object.
        method = "WriteErrorLine" if isinstance(value, Thing) and not is_native else "WriteLine2"
        for line in error_text(value, pipeline.view()).split("\n"):
            yield method, line
        return
    if value is None:
        return
    text = text_of(value) if not isinstance(value, (list, range)) else "\n".join(text_of(item) for item in value)
    for line in text.split("\n"):
        yield "WriteLine2", line


def error_text(value, view="ConciseView"):
    """The concise view: the command's name, or the exception's, before the message. Two others."""
    if isinstance(value, Thing) and view.lower() == "categoryview":
        return value.get("ErrorCategory_Message")
    if isinstance(value, Thing) and view.lower() == "normalview":
        place = value.get("InvocationInfo")
        return (
            f"{value.get('ErrorCategory_Activity')} : {value.text}\n{place and place.get('PositionMessage')}\n"
            f"+ CategoryInfo          : {value.get('ErrorCategory_Message')}\n"
            f"+ FullyQualifiedErrorId : {value.get('FullyQualifiedErrorId')}"
        )
    if not isinstance(value, Thing):
        return f"Error: {getattr(value, 'Exception', None) and value.Exception.Message or value}"
    if value.get("FullyQualifiedErrorId") in ("NativeCommandError", "NativeCommandErrorMessage"):
        return value.text
    activity = value.get("ErrorCategory_Activity")
    position = value.get("InvocationInfo")
    category = next(name for name, number in CATEGORIES.items() if number == value.get("ErrorCategory_Category"))
    kind = category if category != "NotSpecified" else value.get("ErrorCategory_Reason")
    name = activity or (position.get("InvocationName") if position else "") or kind
    return f"{name}: {value.text}"


def flush(group, key, is_last=True, room=None):
    kind, names = key
    rows = [value.value if isinstance(value, Formatted) else value for value in group]
    yield "WriteLine2", ""
    if kind == "list":
        width = max((len(name) for name in names), default=0)
        for row in rows:
            for name in names:
                whole = text(part(row, name))
                columns = (room or 1 << 30) - width - len(" : ")
                yield "WriteLine2", green(f"{name:<{width}} : ") + whole[:columns]
                for begin in range(columns, len(whole), columns):
                    yield "WriteLine2", " " * (width + len(" : ")) + whole[begin:begin + columns]
            yield "WriteLine2", ""
        return
    if kind == "date":
        for row in rows:
            clock = clock_of(row)
            yield "WriteLine2", f"{row.strftime('%A, %B')} {row.day}, {row.year} {clock}"
    elif kind == "dictionary":
        pairs = [pair for row in rows for pair in (row.items if isinstance(row, Thing) else row).items()]
        yield from table(["Name", "Value"], [list(pair) for pair in pairs], [30, 5], is_left=True)
    elif kind == "history":
        yield from history_table(rows)
    elif kind == "commands":
        yield from commands_table(rows)
    elif kind == "version":
        names = ["Major", "Minor", "Build", "Revision"]
        numbers = [([int(one) for one in str(row).split(".")] + [-1, -1])[:4] for row in rows]
        yield from table([name + " " for name in names[:3]] + names[3:], numbers, is_left=True)
    elif kind == "credential":
        width = max(len("UserName"), *(len(text(row.get("UserName"))) for row in rows))
        yield "WriteLine2", green(f"{'UserName':<{width}}") + green(" " + f"{'Password':>28}")
        yield "WriteLine2", green(f"{'--------':<{width}}") + " " + green(f"{'--------':>28}")
        for row in rows:
            yield "WriteLine2", f"{text(row.get('UserName')):<{width}} System.Security.SecureString"
    elif kind == "process":
        yield from processes_table(rows)
    elif kind == "files":
        yield "WriteLine2", f"    Directory: {names[0]}"
        yield "WriteLine2", ""
        yield from files_table(rows)
    else:
        yield from table(list(names), [[part(row, name) for name in names] for row in rows], room=room)
    if is_last or kind not in OPEN:
        yield "WriteLine2", ""


def clock_of(when):
    """The time of day as .NET writes it: before AM and PM stands a narrow blank that breaks no line."""
    return when.strftime("%I:%M:%S\u202f%p").lstrip("0")


def part(value, name):
    """A property of what a list or a table shows."""
    if isinstance(value, Thing):
        return value.get(name)
    if isinstance(value, dict):
        return next((inner for key, inner in value.items() if str(key).lower() == name.lower()), None)
    return value if name == "Guid" else members.own(value, name.lower())


def history_table(rows):
    yield "WriteLine2", green("  Id") + green("     Duration") + green(" CommandLine")
    yield "WriteLine2", green("  --") + " " + green("    --------") + " " + green("-----------")
    for row in rows:
        lasted = f"{row.get('Duration').total_seconds():.3f}"
        yield "WriteLine2", f"{int(row.get('Id')):>4} {lasted:>12} {row.get('CommandLine')}"


def commands_table(rows):
    heads = [("CommandType", 15), ("Name", 50), ("Version", 10), ("Source", 6)]
    yield "WriteLine2", " ".join(green(f"{head:<{width}}") for head, width in heads)
    yield "WriteLine2", " ".join(green(f"{'-' * len(head):<{width}}") for head, width in heads)
    for row in rows:
        yield "WriteLine2", " ".join(f"{text(row.get(head)):<{width}}" for head, width in heads).rstrip()


def text(value):
    from values import text_of

    if isinstance(value, (list, range)) or isinstance(value, Thing) and value.items is not None and value.holds != "DCT":
        items = list(value.items if isinstance(value, Thing) else value)
        if isinstance(value, Thing) and value.text is not None:
            return value.text
        return "{" + ", ".join(text(item) for item in items[:4]) + ("…" if len(items) > 4 else "") + "}"
    if isinstance(value, Thing) and value.items is not None and value.holds == "DCT":
        return "{" + ", ".join(f"[{key}, {text(inner)}]" for key, inner in value.items.items()) + "}"
    if isinstance(value, ps.PSDateTime):
        return f"{value.month}/{value.day}/{value.year} {clock_of(value)}"
    return text_of(value)


def cut(word, columns):
    return word if len(word) <= columns else word[:columns - 1] + "…"


def table(names, rows, widths=None, is_left=False, room=None):
    cells = [[text(value) for value in row] for row in rows]
    numeric = [not is_left and is_numeric([row[place] for row in rows])
               for place in range(len(names))]
    widths = widths or [max([len(name)] + [len(row[place]) for row in cells]) for place, name in enumerate(names)]
    # Columns that do not fit are left out, the last one that begins on the line is cut.
    starts = [sum(widths[:place]) + place for place in range(len(names))]
    if room is not None:
        names = [name for name, start in zip(names, starts) if start < room]
        widths = [min(width, room - start) for width, start in zip(widths, starts) if start < room]
        names = [cut(name, width) for name, width in zip(names, widths)]
        cells = [[cut(word, width) for word, width in zip(row, widths)] for row in cells]
    last = len(names) - 1

    def line(values, style):
        out = []
        for place, value in enumerate(values):
            fill = f"{value:>{widths[place]}}" if numeric[place] else value if place == last else f"{value:<{widths[place]}}"
            out.append(style((" " if place else "") + fill))
        return "".join(out)

    yield "WriteLine2", line(names, green)
    marks = ["-" * len(name.strip()) for name in names]
    padded = [f"{mark:>{widths[place]}}" if numeric[place] else mark if place == last else f"{mark:<{widths[place]}}"
              for place, mark in enumerate(marks)]
    yield "WriteLine2", " ".join(green(mark) for mark in padded)
    for row in cells:
        yield "WriteLine2", line(row, str)


def is_numeric(values):
    values = [value for value in values if value is not None]
    return bool(values) and all(isinstance(value, members.Aligned | int | float) for value in values)


def files_table(rows):
    heads = ["UnixMode  ", "       User", " Group     ", "    LastWriteTime", "         Size", " Name"]
    yield "WriteLine2", "".join(green(head) for head in heads)
    marks = ["--------  ", "      ----", "-----     ", "   -------------", "        ----", "----"]
    yield "WriteLine2", " ".join(green(mark) for mark in marks)
    for row in rows:
        when = row.get("LastWriteTime").strftime("%m/%d/%Y %H:%M")
        yield "WriteLine2", (
            f"{row.get('UnixMode'):<10} {row.get('User'):>10} {row.get('Group'):<10} {when:>16} {int(row.get('Size')):>12} "
            f"{row.get('Name')}"
        )


def processes_table(rows):
    yield "WriteLine2", " ".join(green(head) for head, _ in PROCESS)
    yield "WriteLine2", " ".join(green(" " * (len(head) - len(head.strip())) + "-" * len(head.strip())) for head, _ in PROCESS)
    for row in rows:
        mega = 1 << 20
        yield "WriteLine2", (
            f"{int(row.get('NPM')) // 1024:>7} {int(row.get('PM')) / mega:>8.2f} {int(row.get('WS')) / mega:>10.2f} "
            f"{row.get('CPU'):>10.2f} {row.get('Id'):>7} {row.get('SI'):>3} {row.get('ProcessName')}"
        )


def cmdlet_type():
    return command_type("Cmdlet", 8)


def command_type(name, number):
    return enumeration(AUTOMATION + "CommandTypes", name, number)


def item(path):
    """What Get-Item gives for a file or a folder."""
    path = os.path.normpath(path)
    found = os.stat(path)
    is_folder = stat.S_ISDIR(found.st_mode)
    name = os.path.basename(path) or "/"
    kind = ["System.IO.DirectoryInfo" if is_folder else "System.IO.FileInfo", "System.IO.FileSystemInfo",
            "System.MarshalByRefObject", "System.Object"]
    when = datetime.datetime.fromtimestamp(found.st_mtime).astimezone()
    moment = ps.PSDateTime(when.year, when.month, when.day, when.hour, when.minute, when.second, tzinfo=when.tzinfo)
    props = {"Name": name}
    if not is_folder:
        props |= {"Length": ps.PSInt64(found.st_size), "DirectoryName": os.path.dirname(path)}
    props |= {"Exists": True, "FullName": path, "Extension": os.path.splitext(name)[1], "LastWriteTime": moment}
    notes = {
        "PSPath": "Microsoft.PowerShell.Core\\FileSystem::" + path, "PSIsContainer": is_folder,
        "UnixMode": stat.filemode(found.st_mode), "User": named(pwd.getpwuid, found.st_uid),
        "Group": named(grp.getgrgid, found.st_gid), "Size": ps.PSInt64(found.st_size),
        "BaseName": os.path.splitext(name)[0] or name,
    }
    return Thing(kind, path, props, notes)


def named(lookup, number):
    try:
        return lookup(number)[0]
    except KeyError:
        return str(number)


def processes():
    """Get-Process: this engine and its parent, under names that the real one has."""
    ticks = os.times()
    for number, name in ((os.getpid(), "pwsh"), (os.getppid(), "powershell")):
        kind = ["System.Diagnostics.Process", "System.ComponentModel.Component", "System.MarshalByRefObject", "System.Object"]
        memory = ps.PSInt64(64 << 20)
        props = {
            "Id": number, "MachineName": ".", "HandleCount": 0, "WorkingSet64": memory, "ProcessName": name,
            "Responding": True, "HasExited": False, "SessionId": 0,
        }
        notes = {
            "Name": name, "SI": 0, "Handles": 0, "WS": memory, "PM": ps.PSInt64(0), "NPM": ps.PSInt64(0),
            "PriorityClass": members.Aligned("Normal"), "CPU": ps.PSDouble(ticks.user + ticks.system), "__NounName": "Process",
        }
        yield Thing(kind, f"System.Diagnostics.Process ({name})", props, notes)


def completion(script, cursor, names, session):
    """What TabExpansion2 answers: commands, variables, and files below the word."""
    import fnmatch

    start = max(script.rfind(" ", 0, cursor), script.rfind("|", 0, cursor)) + 1
    word = script[start:cursor]
    if word.startswith("$"):
        known = ["PSVersionTable", "PSCulture", "PID", "Host", "HOME", "PWD"] + sorted(session.variables)
        found = [("$" + name, name, "Variable", "$" + name) for name in known if name.lower().startswith(word[1:].lower())]
    elif word.startswith("-") and start > 0 and parameters_of(script):
        found = [("-" + name, name, "ParameterName", "[object] " + name) for name in parameters_of(script)
                 if name.lower().startswith(word[1:].lower())]
    elif "/" in word or start > 0:
        folder, _, part = os.path.join(session.location, word).rpartition("/")
        try:
            entries = sorted(one for one in os.listdir(folder or "/") if fnmatch.fnmatch(one, part + "*"))
        except OSError:
            entries = []
        found = []
        for one in entries:
            path = f"{folder}/{one}"
            kind = "ProviderContainer" if os.path.isdir(path) else "ProviderItem"
            found.append((path if word.startswith("/") else word[:len(word) - len(part)] + one, one, kind, path))
    else:
        known = sorted({*names(word + "*"), *(one for one in session.functions if one.startswith(word.lower()))})
        found = [(name, name, "Command", name) for name in known]
    kind = AUTOMATION + "CompletionResult"
    matches = [Thing([kind, "System.Object"], kind, {
        "CompletionText": one[0], "ListItemText": one[1], "ResultType": one[2], "ToolTip": one[3],
    }) for one in found]
    answer = AUTOMATION + "CommandCompletion"
    return Thing([answer, "System.Object"], answer, {
        "CurrentMatchIndex": -1, "ReplacementIndex": start, "ReplacementLength": len(word),
        "CompletionMatches": Thing([COLLECTION.format(kind), "System.Object"], items=matches),
    })


def parameters_of(script):
    """The parameters of the command that a line begins with."""
    from commands import find

    function = find(script.split()[0])
    return [*function.takes, *function.switches] if function else []


def command_metadata(name, function):
    parameters = {}
    switches = [*getattr(function, "switches", []), "Verbose", "Debug"]
    for one in [*getattr(function, "takes", []), *switches]:
        kind = "System.Management.Automation.SwitchParameter" if one in switches else "System.Object"
        parameters[one] = Thing([AUTOMATION + "ParameterMetadata", "System.Object"], AUTOMATION + "ParameterMetadata", {
            "Name": one, "ParameterType": kind, "Aliases": Thing([STRINGS, "System.Object"], items=[]),
            "IsDynamic": False, "SwitchParameter": one in switches,
        })
    kind = [f"Selected.{AUTOMATION}CmdletInfo", AUTOMATION + "PSCustomObject", "System.Object"]
    types = "System.Collections.ObjectModel.ReadOnlyCollection`1[[System.Management.Automation.PSTypeName, " \
        "System.Management.Automation, Version=7.6.5.0, Culture=neutral, PublicKeyToken=31bf3856ad364e35]]"
    table_type = "System.Collections.Generic.Dictionary`2[[System.String, System.Private.CoreLib, Version=10.0.0.0, " \
        "Culture=neutral, PublicKeyToken=7cec85d7bea7798e],[System.Management.Automation.ParameterMetadata, " \
        "System.Management.Automation, Version=7.6.5.0, Culture=neutral, PublicKeyToken=31bf3856ad364e35]]"
    return Thing(kind, notes={
        "Name": name, "Namespace": "Microsoft.PowerShell.Core", "HelpUri": "",
        "CommandType": cmdlet_type() if "-" in name and function else command_type("Function", 2),
        "ResolvedCommandName": None, "OutputType": Thing([types, "System.Object"], items=[]),
        "Parameters": Thing([table_type, "System.Object"], items=parameters, holds="DCT"),
    })


