"""The commands that the stand-in engine knows."""

import fnmatch
import os

from psrpcore import types as ps

import display
import members
from clixml import Thing, custom
from received import received
from records import (
    COLORS, Failure, host_message, information, informational, item_not_found, progress, written_error,
)

COMMON = {"erroraction", "warningaction", "informationaction", "errorvariable", "outvariable"}
SWITCHES = {
    "verbose", "debug", "nonewline", "assecurestring", "maskinput", "asplaintext", "force", "completed", "sum",
    "descending", "name", "confirm", "passthru", "unique", "raw", "average", "maximum", "minimum", "append", "newline",
}
KNOWN = {}
ALIASES = {
    "%": "foreach-object", "foreach": "foreach-object", "?": "where-object", "where": "where-object", "cd": "set-location",
    "sl": "set-location", "pwd": "get-location", "gl": "get-location", "echo": "write-output", "sleep": "start-sleep",
    "select": "select-object", "sort": "sort-object", "measure": "measure-object", "ps": "get-process", "gps": "get-process",
    "exsn": "exit-pssession", "cat": "get-content", "gc": "get-content", "gi": "get-item", "h": "get-history",
    "history": "get-history", "rm": "remove-item", "del": "remove-item", "gcm": "get-command", "write": "write-output",
    "dir": "get-childitem", "ls": "get-childitem", "gci": "get-childitem",
}


def command(name, *positions, switches=(), values=()):
    """Registers a command: the names of its positional parameters, and what differs from the table of switches."""

    def register(function):
        function.label = name
        function.positions = positions
        function.switches = (SWITCHES | set(switches)) - set(values)
        KNOWN[name.lower()] = function
        return function

    return register


def find(name):
    name = name.lower().rpartition("\\")[2]
    return KNOWN.get(ALIASES.get(name, name))


def names(pattern="*"):
    found = [function.label for function in KNOWN.values() if not function.label.startswith("__")]
    return sorted(name for name in found if fnmatch.fnmatch(name.lower(), pattern.lower()))


class Call:
    """One use of a command: its arguments, bound to names, and what it reads."""

    def __init__(self, runner, name, arguments, source, node):
        self.runner = runner
        self.pipeline = runner.pipeline
        self.name = name
        self.source = source
        self.node = node
        self.given = {}
        self.rest = []
        self.function = find(name)
        self.bind(list(arguments))

    def bind(self, arguments):
        positions = list(self.function.positions)
        while arguments:
            name, value = arguments.pop(0)
            if name is None:
                free = next((one for one in positions if one not in self.given), None)
                if free is None:
                    self.rest.append(value)
                else:
                    self.given[free] = value
                continue
            key = name.strip("-:").lower()
            if value is None and key not in self.function.switches and arguments and arguments[0][0] is None:
                value = arguments.pop(0)[1]
            self.given[key] = True if value is None else value

    def get(self, name, default=None):
        return self.given.get(name, default)

    def text(self, name, default=""):
        from runner import text_of

        value = self.given.get(name)
        return default if value is None else text_of(value)

    def fail(self, failure):
        self.runner.place(failure, self.node, self.name)
        self.runner.fail(failure, preference=self.get("erroraction"))

    def input(self):
        for item in self.source:
            self.pipeline.check()
            yield item


def nothing(values):
    for _ in values:
        pass
    return iter(())


def to_file(runner, values, path, is_append):
    """`> file`: what Out-Default would show, as text."""
    lines = display.lines(values, runner.pipeline)
    path = os.path.join(runner.session.location, path)
    with open(path, "a" if is_append else "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)
    return iter(())


def native(runner, name, arguments):
    """A program: what it writes are lines, and a stop ends it."""
    import subprocess
    import tempfile

    from runner import text_of

    words = [text_of(value) if key is None else "-" + key for key, value in arguments]
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen([name, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL,
                                   cwd=runner.session.location)
        try:
            while process.poll() is None:
                runner.pipeline.sleep(0.01)
        finally:
            process.kill()
            process.wait()
        runner.session.variables["lastexitcode"] = process.returncode
        out.seek(0)
        yield from out.read().decode("utf-8", "replace").splitlines()


# Streams.

@command("Write-Output", "inputobject")
def write_output(call):
    from runner import items_of

    if "inputobject" in call.given:
        yield from items_of(call.get("inputobject"))
        yield from call.rest
    else:
        yield from call.input()


@command("Write-Error", "message")
def write_error(call):
    message = call.text("message")
    failure = written_error(message, call.get("targetobject"), call.get("errorid"), "Write-Error")
    history = call.runner.session.history_id
    failure.where = ("", 0, "", history, call.runner.source.strip("\n"), "")
    call.runner.fail(failure, preference=call.get("erroraction"))
    yield from ()


def informing(stream, kind, host_method, variable, switch):
    def write(call):
        message = call.text("message")
        preference = str(call.runner.variable(variable)).lower()
        if switch in call.given:
            preference = "continue"
        preference = str(call.get("warningaction", preference)).lower() if stream == "warning" else preference
        if preference != "silentlycontinue":
            redirected = call.runner.write(stream, informational(kind, message))
            if not redirected:
                call.pipeline.show(host_method, [message])
        yield from ()

    return write


for _stream in (
    ("Write-Warning", "warning", "WarningRecord", "WriteWarningLine", "WarningPreference", "-"),
    ("Write-Verbose", "verbose", "VerboseRecord", "WriteVerboseLine", "VerbosePreference", "verbose"),
    ("Write-Debug", "debug", "DebugRecord", "WriteDebugLine", "DebugPreference", "debug"),
):
    command(_stream[0], "message")(informing(*_stream[1:]))


@command("Write-Information", "messagedata", "tags")
def write_information(call):
    from runner import items_of, text_of

    data = call.get("messagedata")
    tags = list(items_of(call.get("tags"))) if call.get("tags") else []
    redirected = call.runner.write("information", information(data, "Write-Information", tags))
    preference = call.get("informationaction", call.runner.variable("InformationPreference"))
    if str(preference).lower() == "continue" and not redirected:
        call.pipeline.show("WriteLine2", [text_of(data)])
    yield from ()


@command("Write-Host", "object", values=("name",))
def write_host(call):
    from runner import items_of, text_of

    value = call.get("object")
    if isinstance(value, dict):
        value = [f"[{key}, {text_of(inner)}]" for key, inner in value.items()]
    values = [value, *call.rest] if call.rest else list(items_of(value))
    text = call.text("separator", " ").join(text_of(item) for item in values)
    host = call.pipeline.colors()
    foreground = call.get("foregroundcolor", host and host[0])
    background = call.get("backgroundcolor", host and host[1])
    number = [display.color(color) for color in (foreground, background)]
    named = [None if color is None else (COLORS[at] if at >= 0 else str(at)) for color, at in
             zip((foreground, background), number)]
    is_open = bool(call.get("nonewline"))
    redirected = call.runner.write("information", information(host_message(text, *named, is_open), "Write-Host", ["PSHOST"]))
    if not redirected:
        call.pipeline.show("Write2" if is_open else "WriteLine3", [*number, text])
    yield from ()


@command("Write-Progress", "activity", "status", "id")
def write_progress(call):
    record = progress(
        call.text("activity"), call.text("status", "Processing"), int(call.get("id", 0)),
        int(call.get("percentcomplete", -1)), int(call.get("secondsremaining", -1)), call.get("currentoperation"),
        int(call.get("parentid", -1)), bool(call.get("completed")),
    )
    call.runner.write("progress", record)
    call.pipeline.show("WriteProgress", [ps.PSInt64(int(call.get("sourceid", 0))), record])
    yield from ()


# The host.

@command("Read-Host", "prompt")
def read_host(call):
    if call.get("assecurestring") or call.get("maskinput"):
        if "prompt" in call.given:
            call.pipeline.require_host()
            call.pipeline.call("Write1", [call.text("prompt") + ": "])
        answer = call.pipeline.ask("ReadLineAsSecureString", [])
        yield answer if call.get("assecurestring") else members.plain(answer)
    elif "prompt" in call.given:
        yield members.prompt(call.pipeline, call.text("prompt"))
    else:
        yield call.pipeline.ask("ReadLine", [])


@command("Get-Credential", "username")
def get_credential(call):
    user = call.get("username")
    message = call.text("message", "Enter your credentials.")
    title = call.text("title", "PowerShell credential request")
    try:
        answer = call.pipeline.ask("PromptForCredential2", [title, message, user, "", 3, 1])
    except Failure as failure:
        failure.ends = "nothing"
        call.fail(failure)
        return
    if answer is not None:
        yield members.given_credential(answer)


@command("Clear-Host")
def clear_host(call):
    yield from ()


@command("Exit-PSSession")
def exit_session(call):
    call.pipeline.show("PopRunspace", [])
    yield from ()


@command("Out-Default", "inputobject")
def out_default(call):
    source = [call.get("inputobject")] if "inputobject" in call.given else call.input()
    for method, line in display.show(source, call.pipeline):
        call.pipeline.show(method, [line])
    yield from ()


KNOWN["out-host"] = KNOWN["out-default"]


@command("Out-String", switches=("stream",), values=("name",))
def out_string(call):
    lines = display.lines(map(received, call.input()), call.pipeline)
    if call.get("stream"):
        yield from lines
    else:
        yield "".join(line + "\n" for line in lines)


@command("Invoke-Expression", "command")
def invoke_expression(call):
    yield from call.runner.script(str(call.get("command")), scope=False)


@command("Out-Null")
def out_null(call):
    yield from nothing(call.input())


# Pipelines.

@command("ForEach-Object", "process", "argument")
def for_each(call):
    process = call.get("process", call.get("membername"))
    for item in call.input():
        if isinstance(process, ps.PSScriptBlock):
            call.runner.scopes.append({"_": item})
            try:
                yield from call.runner.script(str(process), scope=False)
            finally:
                call.runner.scopes.pop()
        else:
            value = members.member(call.runner, item, str(process), None)
            yield members.method(call.runner, item, str(process), []) if callable(value) or value is None else value


@command("Where-Object", "filterscript")
def where_object(call):
    from runner import is_true, single

    for item in call.input():
        call.runner.scopes.append({"_": item})
        try:
            if is_true(single(call.runner.script(str(call.get("filterscript")), scope=False))):
                yield item
        finally:
            call.runner.scopes.pop()


@command("Select-Object", "property")
def select_object(call):
    from runner import items_of

    values = call.input()
    if "first" in call.given:
        values = first(values, int(call.get("first")))
    if "last" in call.given:
        values = list(values)[-int(call.get("last")):]
    for item in values:
        if "expandproperty" in call.given:
            yield from items_of(members.member(call.runner, item, call.text("expandproperty"), None))
        elif "property" in call.given:
            wanted = {str(name): members.member(call.runner, item, str(name), None) for name in items_of(call.get("property"))}
            kind = "Selected." + members.type_name(item)
            yield Thing([kind, *custom().type_names], notes=wanted)
        else:
            yield item


def first(values, count):
    for place, value in enumerate(values):
        yield value
        if place + 1 == count:
            return


@command("Sort-Object", "property")
def sort_object(call):
    key = call.get("property")
    values = list(call.input())
    pick = (lambda item: members.member(call.runner, item, str(key), None)) if key else (lambda item: item)
    yield from sorted(values, key=pick, reverse=bool(call.get("descending")))


@command("Measure-Object", "property")
def measure_object(call):
    values = list(call.input())
    total = ps.PSDouble(sum(values)) if call.get("sum") else None
    kind = ["Microsoft.PowerShell.Commands.GenericMeasureInfo", "Microsoft.PowerShell.Commands.MeasureInfo", "System.Object"]
    yield Thing(kind, kind[0], {
        "Count": len(values), "Average": None, "Sum": total, "Maximum": None, "Minimum": None,
        "StandardDeviation": None, "Property": call.get("property"),
    })


@command("Format-List", "property")
def format_list(call):
    for item in call.input():
        names_ = [str(name) for name in __import__("runner").items_of(call.get("property"))] if call.get("property") else None
        yield display.Formatted(item, "list", names_)


@command("Format-Table", "property")
def format_table(call):
    for item in call.input():
        names_ = [str(name) for name in __import__("runner").items_of(call.get("property"))] if call.get("property") else None
        yield display.Formatted(item, "table", names_)


# The session.

@command("prompt")
def prompt(call):
    yield f"PS {call.runner.session.location}> "


@command("Start-Sleep", "seconds", values=("s",))
def start_sleep(call):
    seconds = float(call.get("milliseconds", call.get("ms", 0))) / 1000 or float(call.get("seconds", 0))
    call.pipeline.sleep(seconds)
    yield from ()


@command("Set-Location", "path")
def set_location(call):
    path = os.path.normpath(os.path.join(call.runner.session.location, call.text("path", "~").replace("~", os.path.expanduser("~"))))
    if os.path.isdir(path):
        call.runner.session.location = path
    else:
        failure = item_not_found(path, "Set-Location")
        call.fail(failure)
    yield from ()


@command("Get-Location")
def get_location(call):
    path = call.runner.session.location
    kind = ["System.Management.Automation.PathInfo", "System.Object"]
    yield Thing(kind, path, {"Drive": "/", "Provider": "Microsoft.PowerShell.Core\\FileSystem", "ProviderPath": path, "Path": path})


@command("Get-History")
def get_history(call):
    yield from list(call.runner.session.history)


@command("Get-Date", "date")
def get_date(call):
    text = call.get("date")
    now = ps.PSDateTime.fromisoformat(str(text)) if text else ps.PSDateTime.now()
    yield now


@command("ConvertTo-SecureString", "string")
def convert_to_secure_string(call):
    yield members.secure(call.text("string"))


@command("Set-StrictMode", values=("version",))
def set_strict_mode(call):
    yield from ()


@command("Get-Command", "name", values=("name",))
def get_command(call):
    from runner import items_of

    for pattern in items_of(call.get("name", "*")):
        found = names(str(pattern))
        found += [name for name in call.runner.session.functions if fnmatch.fnmatch(name, str(pattern).lower())]
        if not found and "*" not in str(pattern):
            from records import command_not_found

            failure = command_not_found(str(pattern))
            failure.error_id = "CommandNotFoundException,Microsoft.PowerShell.Commands.GetCommandCommand"
            failure.activity, failure.ends = "Get-Command", "nothing"
            call.fail(failure)
        for name in found:
            kind = ["System.Management.Automation.CmdletInfo", "System.Management.Automation.CommandInfo", "System.Object"]
            verb, _, noun = name.partition("-")
            yield Thing(kind, name, {"Verb": verb, "Noun": noun, "Name": name, "CommandType": display.cmdlet_type()})


@command("TabExpansion2", "inputscript", "cursorcolumn")
def tab_expansion(call):
    yield display.completion(call.text("inputscript"), int(call.get("cursorcolumn", 0)), names, call.runner.session)


def _quiet(call):
    yield from ()


for _name in ("__Set-PSDebugMode", "__Set-PSUnhandledBreakpointMode", "Import-Module", "Out-File", "Set-PSReadLineOption"):
    command(_name, "value", values=("name",))(_quiet)


# Files and processes.

@command("Get-Item", "path", values=("name",))
def get_item(call):
    from runner import items_of

    for one in items_of(call.get("path", call.get("literalpath"))):
        path = os.path.join(call.runner.session.location, str(one))
        if os.path.exists(path):
            yield display.item(path)
        else:
            call.fail(item_not_found(path, "Get-Item"))


@command("Get-ChildItem", "path", "filter")
def get_child_item(call):
    path = os.path.join(call.runner.session.location, call.text("path"))
    if not os.path.exists(path):
        call.fail(item_not_found(path, "Get-ChildItem"))
        return
    for name in sorted(os.listdir(path) if os.path.isdir(path) else [path]):
        if fnmatch.fnmatch(name, call.text("filter", "*")):
            yield name if call.get("name") else display.item(os.path.join(path, name))


@command("Test-Path", "path")
def test_path(call):
    yield os.path.exists(os.path.join(call.runner.session.location, call.text("path")))


@command("Get-Content", "path")
def get_content(call):
    path = os.path.join(call.runner.session.location, call.text("path"))
    if not os.path.isfile(path):
        call.fail(item_not_found(path, "Get-Content"))
        return
    with open(path, encoding="utf-8", errors="replace") as file:
        yield from file.read().splitlines()


@command("Set-Content", "path", "value")
def set_content(call):
    from runner import items_of, text_of

    values = items_of(call.get("value")) if "value" in call.given else call.input()
    with open(os.path.join(call.runner.session.location, call.text("path")), "w", encoding="utf-8") as file:
        file.writelines(text_of(value) + "\n" for value in values)
    yield from ()


KNOWN["out-file"] = KNOWN["set-content"]


@command("Remove-Item", "path")
def remove_item(call):
    path = os.path.join(call.runner.session.location, call.text("path"))
    if "*" not in path and not os.path.exists(path):
        call.fail(item_not_found(path, "Remove-Item"))
    elif os.path.isfile(path) and (not call.get("confirm") or confirmed(call, "Remove File", path)):
        os.remove(path)
    yield from ()


def confirmed(call, operation, target):
    from clixml import bag

    choices = [
        bag(label="&Yes", helpMessage="Continue with only the next step of the operation."),
        bag(label="Yes to &All", helpMessage="Continue with all the steps of the operation."),
        bag(label="&No", helpMessage="Skip this operation and proceed with the next operation."),
        bag(label="No to A&ll", helpMessage="Skip this operation and all subsequent operations."),
    ]
    message = f'Are you sure you want to perform this action?\nPerforming the operation "{operation}" on target "{target}".'
    # The answers that do it are the first two.
    return members.choice(call.pipeline, "Confirm", message, choices, 0) in (0, 1)


@command("Get-Process", "name", values=("name",))
def get_process(call):
    pattern = call.text("name", "*").lower()
    found = [one for one in display.processes() if fnmatch.fnmatch(one.get("ProcessName").lower(), pattern)]
    if "id" in call.given:
        found = [one for one in found if one.get("Id") == int(call.get("id"))]
    if not found and "*" not in pattern:
        kind = ["Microsoft.PowerShell.Commands.ProcessCommandException", "System.SystemException", "System.Exception", "System.Object"]
        call.fail(Failure(
            f'Cannot find a process with the name "{call.text("name")}". Verify the process name and call the cmdlet again.',
            kind, "NoProcessFoundForGivenName,Microsoft.PowerShell.Commands.GetProcessCommand", "ObjectNotFound",
            call.text("name"), "nothing", "Get-Process",
        ))
    yield from found


@command("Get-Large", "megabytes", "piece")
def get_large(call):
    """Not PowerShell's: writes strings of one MiB, or of `piece` characters, until there are so many MiB."""
    piece = int(call.get("piece", 1 << 20))
    left = int(float(call.get("megabytes", 50)) * (1 << 20))
    while left > 0:
        call.pipeline.check()
        yield "x" * min(piece, left)
        left -= piece


def metadata(patterns):
    """What GET_COMMAND_METADATA is answered with."""
    found = [name for pattern in patterns for name in names(str(pattern))]
    count = ["Selected.Microsoft.PowerShell.Commands.GenericMeasureInfo", *custom().type_names]
    yield Thing(count, notes={"Count": len(found)})
    for name in found:
        yield display.command_metadata(name, find(name))


