"""Types, members and methods that the stand-in engine knows, and the client's host behind `$Host`."""

import datetime
import os
import re
import time
import uuid

from psrpcore import types as ps

from clixml import Thing, array_list, bag
from records import AUTOMATION, COLORS, Failure, color_number, written_error

VOID = object()
NAMES = [
    (bool, "System.Boolean"), (ps.PSInt64, "System.Int64"), (ps.PSByte, "System.Byte"), (ps.PSVersion, "System.Version"),
    (ps.PSScriptBlock, "System.Management.Automation.ScriptBlock"), (ps.PSSecureString, "System.Security.SecureString"),
    (uuid.UUID, "System.Guid"), (bytes, "System.Byte[]"), (ps.PSDateTime, "System.DateTime"), (ps.PSChar, "System.Char"),
    (ps.PSDuration, "System.TimeSpan"), (int, "System.Int32"),
    (float, "System.Double"), (str, "System.String"), (dict, "System.Collections.Hashtable"), (list, "System.Object[]"),
]
NO_USER = (
    "A command that prompts the user failed because the host program or the command type does not support user "
    "interaction. Try a host program that supports user interaction, such as the PowerShell Console, and remove "
    "prompt-related commands from command types that do not support user interaction."
)


# The values of a client's window that RawUI has: the host's key, and the number of the call that changes it.
RAW = {
    "foregroundcolor": ("ForegroundColor", "SetForegroundColor"), "backgroundcolor": ("BackgroundColor", "SetBackgroundColor"),
    "cursorposition": ("CursorPosition", "SetCursorPosition"), "windowposition": ("WindowPosition", "SetWindowPosition"),
    "cursorsize": ("CursorSize", "SetCursorSize"), "buffersize": ("BufferSize", "SetBufferSize"),
    "windowsize": ("WindowSize", "SetWindowSize"), "maxwindowsize": ("MaxWindowSize", None),
    "maxphysicalwindowsize": ("MaxPhysicalWindowSize", None), "windowtitle": ("WindowTitle", "SetWindowTitle"),
}


class Aligned(str):
    """A name of an enumeration: it stands at the right of its column."""


class Type:
    def __init__(self, name):
        self.name = name


class Console:
    """`[Console]::Out` and the like."""


class HostObject:
    """`$Host`, `$Host.UI` and `$Host.UI.RawUI`."""

    def __init__(self, part="Host"):
        self.part = part


def shown(value):
    """A value as it is written: the host is an object of the engine's own."""
    if not isinstance(value, (HostObject, Type, Named)):
        return value
    if isinstance(value, HostObject):
        kind = AUTOMATION + "Internal.Host.InternalHost" + {"Host": "", "UI": "UserInterface", "RawUI": "RawUserInterface"}[value.part]
        names = {"Name": "ServerRemoteHost", "Version": ps.PSVersion("7.6.5")} if value.part == "Host" else {}
        return Thing([kind, "System.Object"], kind, names)
    return Thing(["System.RuntimeType", "System.Type", "System.Object"], value.name, {
        "Name": value.name.rpartition(".")[2], "FullName": value.name,
    })


INSTANCE = uuid.uuid4()


def listed(value, pipeline):
    """The host and its window as Out-Default lists them."""
    internal = AUTOMATION + "Internal.Host.InternalHostUserInterface"
    if value.part == "Host":
        return Thing([AUTOMATION + "Internal.Host.InternalHost", "System.Object"], "", {
            "Name": "ServerRemoteHost", "Version": ps.PSVersion("7.6.5"), "InstanceId": INSTANCE, "UI": internal,
            "CurrentCulture": "en-US", "CurrentUICulture": "en-US", "PrivateData": None, "DebuggerEnabled": True,
            "IsRunspacePushed": False, "Runspace": AUTOMATION + "Runspaces.LocalRunspace",
        })
    if value.part != "RawUI":
        return shown(value)
    found = {name: raw_value(pipeline, key) for key, (name, _) in RAW.items()}
    title = found.pop("WindowTitle")
    return Thing([AUTOMATION + "Internal.Host.InternalHostRawUserInterface", "System.Object"], "",
                 found | {"KeyAvailable": None, "WindowTitle": title})


def span_list(value):
    """A TimeSpan as Out-Default lists it."""
    seconds = value.total_seconds()
    whole = int(abs(seconds))
    return Thing(["System.TimeSpan", "System.ValueType", "System.Object"], "", {
        "Days": whole // 86400, "Hours": whole // 3600 % 24, "Minutes": whole // 60 % 60, "Seconds": whole % 60,
        "Milliseconds": round(abs(seconds) * 1000) % 1000, "Ticks": round(seconds * 10**7), "TotalDays": seconds / 86400,
        "TotalHours": seconds / 3600, "TotalMinutes": seconds / 60, "TotalSeconds": seconds, "TotalMilliseconds": seconds * 1000,
    })


def type_name(value):
    if isinstance(value, Thing):
        return value.type_names[0] if value.type_names else "System.Management.Automation.PSObject"
    if isinstance(value, ps.PSObject) and value.PSObject.type_names and not isinstance(value, (str, int, float)):
        return value.PSObject.type_names[0].replace("Deserialized.", "")
    for kind, name in NAMES:
        if isinstance(value, kind):
            return name
    return "System.Object"


def secure(text):
    return ps.PSSecureString(text)


def plain(value):
    return value.decrypt() if isinstance(value, ps.PSSecureString) else str(value or "")


def credential(user, password):
    kind = [AUTOMATION + "PSCredential", "System.Object"]
    return Thing(kind, AUTOMATION + "PSCredential", {"UserName": user, "Password": password})


def field(value, name):
    if isinstance(value, Thing):
        return value.get(name)
    return getattr(value, name, None)


def member(runner, value, name, arguments):
    """A property where there are no arguments, else a method."""
    lower = name.lower()
    if isinstance(value, HostObject):
        return host(runner, value, lower, arguments)
    if isinstance(value, Console):
        return VOID
    if isinstance(value, Type):
        return static(runner, value.name, lower, arguments)
    if value is None:
        if arguments is None:
            return None
        raise Failure("You cannot call a method on a null-valued expression.", None, "InvokeMethodOnNull", "InvalidOperation")
    if arguments is not None:
        return method(runner, value, name, arguments)
    found = own(value, lower)
    if found is not None:
        return found
    if isinstance(value, Thing) and value.holds == "DCT" and value.items is not None:
        value = value.items
    if isinstance(value, (dict, ps.PSDictBase)):
        named = next((inner for key, inner in value.items() if str(key).lower() == lower), None)
        whole = {"keys": list, "values": lambda one: list(one.values())}
        return named if named is not None or lower not in whole else whole[lower](value)
    if isinstance(value, (list, range)):
        found = [member(runner, item, name, None) for item in value]
        return [one for one in found if one is not None] or None
    if isinstance(value, Thing):
        return value.get(name)
    if isinstance(value, Named):
        return {"name": value.name.rpartition(".")[2], "fullname": value.name}.get(lower)
    if isinstance(value, ps.PSVersion):
        parts = [int(part) for part in str(value).split(".")] + [-1, -1, -1]
        return dict(zip(("major", "minor", "build", "revision"), parts)).get(lower)
    if isinstance(value, (ps.PSDateTime, ps.PSDuration, uuid.UUID, ps.PSObject)) and not isinstance(value, (int, float, str)):
        return time_part(value, lower)
    return None


def own(value, lower):
    """`Count` and `Length`, which every value has."""
    if lower not in ("count", "length"):
        return None
    if isinstance(value, ps.PSSecureString):
        return len(plain(value)) if lower == "length" else 1
    if isinstance(value, Thing):
        if value.get(lower) is not None:
            return None
        return len(value.items) if value.items is not None else 1
    if isinstance(value, str) and lower == "length":
        # In UTF-16 units.
        return len(value.encode("utf-16-le", "surrogatepass")) // 2
    if isinstance(value, (dict, ps.PSDictBase)):
        return len(value)
    return len(value) if isinstance(value, (list, range, bytes, ps.PSListBase)) else 1


def time_part(value, lower):
    if isinstance(value, ps.PSDateTime) and lower in ("dayofweek", "date"):
        return value.strftime("%A") if lower == "dayofweek" else moment(value.strftime("%Y-%m-%d"))
    if isinstance(value, ps.PSDuration):
        seconds = value.total_seconds()
        return {"totalseconds": seconds, "totalminutes": seconds / 60, "totalhours": seconds / 3600,
                "totalmilliseconds": seconds * 1000, "days": value.days}.get(lower)
    names = [one for one in dir(value) if one.lower() == lower and not one.startswith("_")]
    found = getattr(value, names[0]) if names else None
    return None if callable(found) else found


def text_of_one(value):
    from values import items_of, text_of

    return text_of(next(iter(items_of(value)), "."))


def moment(value):
    """A point in time, as `[datetime]` reads it."""
    if isinstance(value, datetime.datetime):
        return value
    try:
        return ps.PSDateTime.fromisoformat(str(value).strip())
    except ValueError:
        raise Failure(
            f'Cannot convert value "{value}" to type "System.DateTime". Error: "String \'{value}\' was not recognized as a '
            'valid DateTime."', None, "InvalidCastParseTargetInvocation", "InvalidArgument",
        ) from None


def span(left, right):
    if isinstance(right, ps.PSDuration):
        return left - right
    first, last = (datetime.datetime.fromisoformat(one.strftime("%Y-%m-%dT%H:%M:%S.%f")) for one in (right, left))
    return ps.PSDuration(seconds=(last - first).total_seconds())


def guid(value):
    try:
        return uuid.UUID(str(value))
    except ValueError:
        raise Failure(f'Cannot convert value "{value}" to type "System.Guid". Error: "Unrecognized Guid format."', None,
                      "InvalidCastParseTargetInvocation", "InvalidArgument") from None


def char(value):
    return ps.PSChar(value if isinstance(value, int) else ord(str(value)))


PARTS = [("dddd", "%A"), ("ddd", "%a"), ("MMMM", "%B"), ("MMM", "%b"), ("yyyy", "%Y"), ("yy", "%y"), ("MM", "%m"), ("dd", "%d"),
         ("HH", "%H"), ("hh", "%I"), ("mm", "%M"), ("ss", "%S"), ("tt", "%p"), ("fff", "%f")]


def formatted_date(when, pattern):
    if pattern == "o":
        return when.isoformat()
    return when.strftime(re.sub("|".join(one for one, _ in PARTS), lambda found: dict(PARTS)[found[0]], pattern))


def formatted(pattern, values):
    """The operator -f, without the rarer formats."""
    from values import text_of

    def one(found):
        place, width, kind = int(found[1]), found[2], found[3]
        if place >= len(values):
            raise Failure('Error formatting a string: Index (zero based) must be greater than or equal to zero and less than the '
                          'size of the argument list..', None, "FormatError", "InvalidOperation")
        value = values[place]
        if kind and kind[0] in "nNfF" and isinstance(value, (int, float)):
            text = f"{value:{',' if kind[0] in 'nN' else ''}.{kind[1:] or 2}f}"
        elif kind and kind[0] in "xXdD" and isinstance(value, int):
            text = f"{int(value):0{kind[1:] or 1}{kind[0] if kind[0] in 'xX' else 'd'}}"
        elif kind and isinstance(value, datetime.datetime):
            text = formatted_date(value, kind)
        else:
            text = text_of(value)
        return text if not width else text.rjust(int(width)) if int(width) > 0 else text.ljust(-int(width))

    return re.sub(r"\{(\d+)(?:,(-?\d+))?(?::([^}]*))?\}", one, pattern).replace("{{", "{").replace("}}", "}")


def is_a(value, name):
    name = {"int": "int32", "long": "int64", "bool": "boolean", "switch": "boolean"}.get(name.lower(), name.lower())
    kinds = value.type_names if isinstance(value, Thing) else [type_name(value), "System.Object"]
    if isinstance(value, list):
        kinds = [*kinds, "System.Array"]
    return any(kind.lower() == name or kind.lower().rpartition(".")[2] == name.rpartition(".")[2] for kind in kinds)


class Named:
    """What `GetType()` returns."""

    def __init__(self, name):
        self.name = name


def replaced(text, old, new):
    return text.replace(str(old), str(new))


TEXT = {
    "toupper": str.upper, "tolower": str.lower, "trim": str.strip, "trimend": str.rstrip, "trimstart": str.lstrip,
    "replace": replaced, "contains": lambda text, part: str(part) in text,
    "startswith": lambda text, part: text.startswith(str(part)), "endswith": lambda text, part: text.endswith(str(part)),
    "indexof": lambda text, part: text.find(str(part)),
    "substring": lambda text, begin, count=None: text[int(begin):None if count is None else int(begin) + int(count)],
    "split": lambda text, *signs: re.split("|".join(re.escape(str(one)) for one in signs) or r"\s", text),
    "padleft": lambda text, width, sign=" ": text.rjust(int(width), str(sign)),
    "padright": lambda text, width, sign=" ": text.ljust(int(width), str(sign)),
    "insert": lambda text, place, new: text[:int(place)] + str(new) + text[int(place):],
}


def method(runner, value, name, arguments):
    lower = name.lower()
    if lower == "gettype":
        return Named(type_name(value))
    if lower == "tostring":
        from values import text_of
        return text_of(value)
    if lower == "getnetworkcredential":
        user = str(field(value, "UserName")).rpartition("\\")[2]
        return bag(UserName=user, Password=plain(field(value, "Password")))
    if isinstance(value, str) and lower in TEXT:
        return TEXT[lower](value, *arguments)
    if isinstance(value, ps.PSDateTime) and lower.startswith("add") and lower[3:] in ("days", "hours", "minutes", "seconds"):
        return value + datetime.timedelta(**{lower[3:]: float(arguments[0])})
    if isinstance(value, dict) and lower in ("containskey", "contains"):
        return any(str(key).lower() == str(arguments[0]).lower() for key in value)
    if isinstance(value, dict) and lower in ("add", "remove"):
        if lower == "add":
            value[arguments[0]] = arguments[1]
        else:
            value.pop(arguments[0], None)
        return VOID
    if lower == "add" and isinstance(value, list):
        value.append(arguments[0])
        return VOID
    if lower == "clear" and isinstance(value, list):
        value.clear()
        return VOID
    raise no_method(type_name(value), name)


def no_method(kind, name):
    message = f"Method invocation failed because [{kind}] does not contain a method named '{name}'."
    return Failure(message, None, "MethodNotFound", "InvalidOperation", name)


def static(runner, kind, lower, arguments):
    short = kind.rpartition(".")[2].lower()
    if short == "choicedescription" and lower == "new":
        return bag(label=arguments[0], helpMessage=arguments[1] if len(arguments) > 1 else "")
    if short.startswith(("collection", "list[", "arraylist")) and lower == "new":
        return []
    if short == "fielddescription" and lower == "new":
        return field_description(arguments[0])
    if short in ("coordinates", "size") and lower == "new":
        return pair(*(("x", "y") if short == "coordinates" else ("width", "height")), *arguments)
    if short == "math" and lower in ("round", "abs", "floor", "max", "min", "pow"):
        return {"round": round, "abs": abs, "floor": lambda one: float(one // 1), "max": max, "min": min, "pow": pow}[lower](*arguments)
    if short == "string" and lower in ("join", "isnullorempty", "empty"):
        return {"join": joined, "isnullorempty": lambda text: not text, "empty": str}[lower](*(arguments or []))
    if short == "datetime" and lower in ("now", "utcnow", "today"):
        now = ps.PSDateTime.now().astimezone(None if lower != "utcnow" else datetime.timezone.utc)
        return moment(now.strftime("%Y-%m-%d")) if lower == "today" else now
    if short == "environment" and lower in ENVIRONMENT:
        return ENVIRONMENT[lower](*(arguments or []))
    if short == "guid" and lower == "empty":
        return uuid.UUID(int=0)
    if short == "networkcredential" and lower == "new":
        return bag(UserName=arguments[0], Password=plain(arguments[1]))
    if short == "pscredential" and lower == "new":
        return credential(arguments[0], arguments[1])
    if short == "securestring" and lower == "new":
        return secure("")
    if short == "runspace" and lower == "defaultrunspace":
        return bag(Id=runner.session.number)
    if short == "environment" and lower == "exit":
        runner.pipeline.end_process(int(arguments[0]))
    if short == "console" and not lower.endswith("redirected"):
        # What it writes does not reach the client: there is no console behind the engine's streams.
        return Console() if lower in ("out", "error", "in") else VOID
    if short == "console" and lower.endswith("redirected"):
        return True
    if short == "thread" and lower == "sleep":
        # Nothing stops it.
        time.sleep(int(arguments[0]) / 1000)
        runner.pipeline.check()
        return VOID
    if short == "file" and lower == "readallbytes":
        with open(str(arguments[0]), "rb") as file:
            return list(file.read())
    if short == "thread" and lower == "currentthread":
        return bag(ManagedThreadId=5)
    if short == "guid" and lower == "newguid":
        return uuid.uuid4()
    raise Failure(f"Unable to find type [{kind}].", None, "TypeNotFound", "InvalidOperation", kind)


def joined(sign, *values):
    from values import items_of, text_of

    return text_of(sign).join(text_of(item) for value in values for item in items_of(value))


ENVIRONMENT = {
    "machinename": lambda: os.uname().nodename, "username": lambda: os.environ.get("USER", ""), "newline": lambda: "\n",
    "getenvironmentvariable": os.environ.get, "currentdirectory": os.getcwd, "processid": os.getpid,
}


def pair(first, second, one, other):
    """Coordinates, or a size: what the script sees of it, and what the host is told."""
    kind = AUTOMATION + "Host." + ("Coordinates" if first == "x" else "Size")
    shown = {first.capitalize(): int(one), second.capitalize(): int(other)}
    value = Thing([kind, "System.ValueType", "System.Object"], f"{int(one)},{int(other)}", shown)
    value.told = bag(**{first: int(one), second: int(other)})
    return value


def raw_value(pipeline, lower):
    """What RawUI tells: what the client told when it began, or what a script has set since."""
    if not pipeline.has_user():
        return None
    name = RAW[lower][0]
    if name in pipeline.raw:
        return pipeline.raw[name]
    value = pipeline.host_value(name)
    if "Color" in name and value is not None:
        number = int(getattr(value, "value", value))
        return COLORS[number] if 0 <= number < len(COLORS) else number
    for first, second in (("x", "y"), ("width", "height")):
        if hasattr(value, first):
            return pair(first, second, getattr(value, first), getattr(value, second))
    return value


def set_raw(pipeline, lower, new):
    name, call = RAW[lower]
    told = new
    if "color" in lower:
        told = color_number(new)
    elif hasattr(new, "told"):
        told = new.told
    pipeline.raw[name] = new
    pipeline.call(call, [told])


def set_member(value, name, new, pipeline):
    if isinstance(value, HostObject):
        if value.part != "RawUI" or RAW.get(name.lower(), (None, None))[1] is None:
            raise Failure(
                f"The property '{name}' cannot be found on this object. Verify that the property exists and can be set.",
                None, "PropertyNotFound", "InvalidOperation", name)
        set_raw(pipeline, name.lower(), new)
    elif isinstance(value, Thing):
        key = next((key for key in value.notes if key.lower() == name.lower()), name)
        value.notes[key] = new
    elif isinstance(value, dict):
        value[name] = new


def host(runner, value, lower, arguments):
    pipeline = runner.pipeline
    if arguments is None:
        if lower in ("ui", "rawui"):
            return HostObject({"ui": "UI", "rawui": "RawUI"}[lower])
        if value.part == "RawUI" and lower in RAW:
            return raw_value(pipeline, lower)
        known = {"name": "ServerRemoteHost", "isrunspacepushed": False, "version": ps.PSVersion("7.6.5"),
                 "currentculture": bag(Name="en-US"), "currentuiculture": bag(Name="en-US"), "instanceid": uuid.uuid4()}
        return known.get(lower) if value.part == "Host" else {"supportsvirtualterminal": False}.get(lower)
    if value.part == "Host":
        if lower == "setshouldexit":
            pipeline.call("SetShouldExit", [int(arguments[0])])
        elif lower == "poprunspace":
            pipeline.call("PopRunspace", [])
        elif lower not in ("exitnestedprompt", "notifybeginapplication", "notifyendapplication"):
            raise no_method("System.Management.Automation.Internal.Host.InternalHost", lower)
        return VOID
    if value.part == "RawUI":
        if lower == "readkey":
            options = {"noecho": 2, "includekeydown": 4, "includekeyup": 8, "allowctrlc": 1}
            wanted = str(arguments[0]).split(",") if arguments else ["IncludeKeyDown"]
            return key_info(pipeline.call("ReadKey", [sum(options[one.strip().lower()] for one in wanted)]))
        if lower == "flushinputbuffer":
            pipeline.call("FlushInputBuffer", [])
        elif lower == "lengthinbuffercells":
            return len(str(arguments[0]))
        else:
            raise no_method("System.Management.Automation.Internal.Host.InternalHostRawUserInterface", lower)
        return VOID
    return dialogue(pipeline, lower, arguments)


KEYS = ["RightAltPressed", "LeftAltPressed", "RightCtrlPressed", "LeftCtrlPressed", "ShiftPressed", "NumLockOn",
        "ScrollLockOn", "CapsLockOn", "EnhancedKey"]


def key_info(answer):
    get = lambda name: getattr(answer, name, None)  # noqa: E731
    state = int(get("controlKeyState") or 0)
    held = ", ".join(name for place, name in enumerate(KEYS) if state & (1 << place)) or "0"
    return Thing(
        [AUTOMATION + "Host.KeyInfo", "System.ValueType", "System.Object"],
        f"{int(get('virtualKeyCode') or 0)},{get('character') or ''},{held},{get('keyDown')}",
        {"VirtualKeyCode": get("virtualKeyCode"), "Character": get("character"),
         "ControlKeyState": Aligned(held), "KeyDown": get("keyDown")},
    )


def dialogue(pipeline, lower, arguments):
    if lower == "readline":
        return pipeline.ask("ReadLine", [])
    if lower == "readlineassecurestring":
        return pipeline.ask("ReadLineAsSecureString", [])
    if lower == "promptforchoice":
        return choice(pipeline, *arguments)
    if lower == "promptforcredential":
        types = {"generic": 1, "domain": 2, "default": 3}
        options = {"none": 0, "default": 1, "readonlyusername": 3}
        kind = types[str(arguments[4]).lower()] if len(arguments) > 4 else 3
        option = options[str(arguments[5]).lower()] if len(arguments) > 5 else 1
        return given_credential(pipeline.ask("PromptForCredential2", [*arguments[:4], kind, option]))
    lines = {
        "writeline": "WriteLine2", "write": "Write1", "writeerrorline": "WriteErrorLine",
        "writedebugline": "WriteDebugLine", "writeverboseline": "WriteVerboseLine", "writewarningline": "WriteWarningLine",
    }
    if lower in lines:
        name = lines[lower]
        if len(arguments) == 3:
            name = {"writeline": "WriteLine3", "write": "Write2"}[lower]
            arguments = [color_number(arguments[0]), color_number(arguments[1]), arguments[2]]
        elif lower == "writeline" and not arguments:
            name = "WriteLine1"
        pipeline.call(name, arguments)
    elif lower == "prompt":
        answer = pipeline.ask("Prompt", [*arguments[:2], array_list(arguments[2] if isinstance(arguments[2], list) else [arguments[2]])])
        return dict(answer or {})
    else:
        raise no_method("System.Management.Automation.Internal.Host.InternalHostUserInterface", lower)
    return VOID


def given_credential(answer):
    return None if answer is None else credential(field(answer, "UserName"), field(answer, "Password"))


def choice(pipeline, caption, message, choices, default):
    described = None if choices is None else array_list([described_choice(one) for one in choices])
    if not isinstance(default, list):
        return pipeline.ask("PromptForChoice", [caption, message, described, int(default)])
    sizes = Thing(["System.Int32[]", "System.Array", "System.Object"], items=[len(default)])
    defaults = bag(mae=array_list([int(one) for one in default]), mal=sizes)
    answer = pipeline.ask("PromptForChoiceMultipleSelection", [caption, message, described, defaults])
    return [int(one) for one in answer or []]


def described_choice(one):
    if isinstance(one, str):
        return bag(label=one, helpMessage="")
    return bag(label=one.get("label"), helpMessage=one.get("helpMessage"))


def field_description(name, kind="String", label=""):
    full = f"System.Security.{kind}" if kind == "SecureString" else f"System.{kind}"
    return bag(
        name=name, label=label, parameterTypeName=kind, parameterTypeFullName=full,
        parameterAssemblyFullName=f"{full}, System.Private.CoreLib, Version=10.0.0.0, Culture=neutral, "
        "PublicKeyToken=7cec85d7bea7798e",
        helpMessage="", isMandatory=True, metadata=array_list([]), modifiedByRemotingProtocol=False,
        isFromRemoteHost=False,
    )


def prompt(pipeline, name, caption="", message="", kind="String", label=""):
    answer = pipeline.ask("Prompt", [caption, message, array_list([field_description(name, kind, label)])])
    return answer.get(name) if answer else None


def full_kind(kinds):
    """The name of a parameter's type, without its namespace, from what stands before it."""
    known = {"int": "Int32", "string": "String", "bool": "Boolean", "string[]": "String[]", "long": "Int64"}
    return next((known[kind] for kind in kinds if kind in known), "Object")


def mandatory(pipeline, name, command="", kind="Object"):
    caption = f"cmdlet {command} at command pipeline position 1"
    return prompt(pipeline, name, caption, "Supply values for the following parameters:", kind, "&" + name if command else "")


def no_user():
    kind = [AUTOMATION + "Host.HostException"] + ["System.Management.Automation.RuntimeException", "System.SystemException",
                                                  "System.Exception", "System.Object"]
    failure = written_error(NO_USER, None, "HostFunctionNotImplemented", "")
    failure.kind = kind
    failure.ends = "statement"
    return failure
