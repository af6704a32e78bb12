"""Types, members and methods that the stand-in engine knows, and the client's host behind `$Host`."""

import uuid

from psrpcore import types as ps

from clixml import Thing, array_list, bag
from records import AUTOMATION, Failure, color_number, written_error

VOID = object()
NAMES = [
    (bool, "System.Boolean"), (ps.PSInt64, "System.Int64"), (ps.PSByte, "System.Byte"), (ps.PSVersion, "System.Version"),
    (ps.PSScriptBlock, "System.Management.Automation.ScriptBlock"), (ps.PSSecureString, "System.Security.SecureString"),
    (uuid.UUID, "System.Guid"), (bytes, "System.Byte[]"), (ps.PSDateTime, "System.DateTime"), (int, "System.Int32"),
    (float, "System.Double"), (str, "System.String"), (dict, "System.Collections.Hashtable"), (list, "System.Object[]"),
]
NO_USER = (
    "A command that prompts the user failed because the host program or the command type does not support user "
    "interaction. Try a host program that supports user interaction, such as the PowerShell Console, and remove "
    "prompt-related commands from command types that do not support user interaction."
)


class Type:
    def __init__(self, name):
        self.name = name


class HostObject:
    """`$Host`, `$Host.UI` and `$Host.UI.RawUI`."""

    def __init__(self, part="Host"):
        self.part = part


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
    if isinstance(value, Type):
        return static(runner, value.name, lower, arguments)
    if value is None:
        if arguments is None:
            return None
        raise Failure("You cannot call a method on a null-valued expression.", None, "InvokeMethodOnNull", "InvalidOperation")
    if arguments is not None:
        return method(runner, value, name, arguments)
    if lower == "count" and isinstance(value, (list, dict, range)):
        return len(value)
    if lower == "length" and isinstance(value, (str, list)):
        return len(value)
    if lower == "length" and isinstance(value, ps.PSSecureString):
        return len(plain(value))
    if isinstance(value, (dict, ps.PSDictBase)):
        return next((inner for key, inner in value.items() if str(key).lower() == lower), None)
    if isinstance(value, list):
        return [member(runner, item, name, None) for item in value]
    if isinstance(value, Thing):
        return value.get(name)
    if isinstance(value, Named):
        return value.name if lower in ("name", "fullname") else None
    return next((getattr(value, one) for one in dir(value) if one.lower() == lower), None)


class Named:
    """What `GetType()` returns."""

    def __init__(self, name):
        self.name = name


def method(runner, value, name, arguments):
    lower = name.lower()
    if lower == "gettype":
        return Named(type_name(value))
    if lower == "tostring":
        from runner import text_of
        return text_of(value)
    if lower == "getnetworkcredential":
        user = str(field(value, "UserName")).rpartition("\\")[2]
        return bag(UserName=user, Password=plain(field(value, "Password")))
    if isinstance(value, str) and lower in ("toupper", "tolower", "trim"):
        return {"toupper": value.upper, "tolower": value.lower, "trim": value.strip}[lower]()
    if lower == "add" and isinstance(value, list):
        value.append(arguments[0])
        return VOID
    if lower == "clear" and isinstance(value, list):
        value.clear()
        return VOID
    kind = type_name(value)
    message = f"Method invocation failed because [{kind}] does not contain a method named '{name}'."
    raise Failure(message, None, "MethodNotFound", "InvalidOperation", name)


def static(runner, kind, lower, arguments):
    short = kind.rpartition(".")[2].lower()
    if short == "choicedescription" and lower == "new":
        return bag(label=arguments[0], helpMessage=arguments[1] if len(arguments) > 1 else "")
    if short.startswith("collection") and lower == "new":
        return []
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
    if short == "console":
        return VOID
    if short == "thread" and lower == "currentthread":
        return bag(ManagedThreadId=5)
    if short == "guid" and lower == "newguid":
        return uuid.uuid4()
    raise Failure(f"Unable to find type [{kind}].", None, "TypeNotFound", "InvalidOperation", kind)


def set_member(value, name, new, pipeline):
    if isinstance(value, HostObject) and value.part == "RawUI" and name.lower() == "windowtitle":
        pipeline.call("SetWindowTitle", [new])
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
        if lower == "windowtitle":
            return pipeline.host_default(9)
        return {"name": "ServerRemoteHost", "isrunspacepushed": False}.get(lower)
    if value.part == "Host":
        if lower == "setshouldexit":
            pipeline.call("SetShouldExit", [int(arguments[0])])
        return VOID
    if value.part == "RawUI":
        if lower == "readkey":
            options = {"noecho": 2, "includekeydown": 4, "includekeyup": 8, "allowctrlc": 1}
            wanted = str(arguments[0]).split(",") if arguments else ["IncludeKeyDown"]
            return key_info(pipeline.call("ReadKey", [sum(options[one.strip().lower()] for one in wanted)]))
        if lower == "flushinputbuffer":
            pipeline.call("FlushInputBuffer", [])
        return VOID
    return dialogue(pipeline, lower, arguments)


def key_info(answer):
    get = lambda name: getattr(answer, name, None)  # noqa: E731
    return Thing(
        [AUTOMATION + "Host.KeyInfo", "System.ValueType", "System.Object"],
        f"{int(get('virtualKeyCode') or 0)},{get('character') or ''},{get('controlKeyState') or 0},{get('keyDown')}",
        {"VirtualKeyCode": get("virtualKeyCode"), "Character": get("character"),
         "ControlKeyState": get("controlKeyState"), "KeyDown": get("keyDown")},
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
    return VOID


def given_credential(answer):
    return None if answer is None else credential(field(answer, "UserName"), field(answer, "Password"))


def choice(pipeline, caption, message, choices, default):
    described = array_list([bag(label=one.get("label"), helpMessage=one.get("helpMessage")) for one in choices])
    if not isinstance(default, list):
        return pipeline.ask("PromptForChoice", [caption, message, described, int(default)])
    sizes = Thing(["System.Int32[]", "System.Array", "System.Object"], items=[len(default)])
    defaults = bag(mae=array_list([int(one) for one in default]), mal=sizes)
    answer = pipeline.ask("PromptForChoiceMultipleSelection", [caption, message, described, defaults])
    return [int(one) for one in answer or []]


def field_description(name):
    return bag(
        name=name, label="", parameterTypeName="String", parameterTypeFullName="System.String",
        parameterAssemblyFullName="System.String, System.Private.CoreLib, Version=10.0.0.0, Culture=neutral, "
        "PublicKeyToken=7cec85d7bea7798e",
        helpMessage="", isMandatory=True, metadata=array_list([]), modifiedByRemotingProtocol=False,
        isFromRemoteHost=False,
    )


def prompt(pipeline, name, caption="", message=""):
    answer = pipeline.ask("Prompt", [caption, message, array_list([field_description(name)])])
    return answer.get(name) if answer else None


def mandatory(pipeline, name):
    caption = "cmdlet  at command pipeline position 1"
    return prompt(pipeline, name, caption, "Supply values for the following parameters:")


def no_user():
    kind = [AUTOMATION + "Host.HostException"] + ["System.Management.Automation.RuntimeException", "System.SystemException",
                                                  "System.Exception", "System.Object"]
    failure = written_error(NO_USER, None, "HostFunctionNotImplemented", "")
    failure.kind = kind
    failure.ends = "statement"
    return failure
