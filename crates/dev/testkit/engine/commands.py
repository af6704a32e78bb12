"""The commands that the stand-in engine knows: how they are called, the streams, the host, pipelines. The rest is in
`session_commands` and `files`."""

import fnmatch

from psrpcore import types as ps

import display
import members
from clixml import Thing, bag, custom
from received import received
from records import (
    CATEGORIES, COLORS, Failure, argument_missing, host_message, information, informational, parameter_not_found, position_not_found, progress,
    written_error,
)

# What every command takes.
COMMON = ["ErrorAction", "WarningAction", "InformationAction", "ErrorVariable"]
COMMON_SWITCHES = ["Verbose", "Debug"]
SHORT = {"ea": "erroraction", "wa": "warningaction", "infa": "informationaction", "ev": "errorvariable", "vb": "verbose", "db": "debug"}
KNOWN = {}
# Those that PowerShell has where it is not on Windows: there `ls` and `cat` are programs.
ALIASES = {
    "%": "foreach-object", "foreach": "foreach-object", "?": "where-object", "where": "where-object", "cd": "set-location",
    "chdir": "set-location", "sl": "set-location", "pwd": "get-location", "gl": "get-location", "echo": "write-output",
    "select": "select-object", "measure": "measure-object", "gps": "get-process", "exsn": "exit-pssession", "gc": "get-content",
    "type": "get-content", "gi": "get-item", "ni": "new-item", "ri": "remove-item", "del": "remove-item", "erase": "remove-item",
    "h": "get-history", "history": "get-history", "ghy": "get-history", "gcm": "get-command", "write": "write-output",
    "dir": "get-childitem", "gci": "get-childitem", "oh": "out-host", "fl": "format-list", "ft": "format-table",
    "iex": "invoke-expression", "gv": "get-variable", "sv": "set-variable", "set": "set-variable", "cls": "clear-host", "rv": "remove-variable",
}


def command(name, *positions, takes="", switches="", rest=False, needs=None):
    """Registers a command: its positional parameters, its others, its switches, whether it takes more values, and the
    parameter that is asked for where it was left out, with its type."""

    def register(function):
        function.label = name
        function.positions = positions
        function.takes = [*positions, *takes.split()]
        function.switches = switches.split()
        function.rest = rest
        function.needs = needs
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
        # What was answered to a confirmation for all that follow.
        self.to_all = None
        self.function = find(name)
        self.bind(list(arguments))

    def bind(self, arguments):
        free = []
        while arguments:
            name, value = arguments.pop(0)
            if name is None:
                free.append(value)
                continue
            key, is_switch = self.parameter(name.strip("-:"))
            if value is None and not is_switch and arguments and arguments[0][0] is None:
                value = arguments.pop(0)[1]
            elif value is None and not is_switch and self.node != (0, 0):
                raise self.placed(argument_missing(key, self.function.label))
            self.given[key] = True if value is None and is_switch else value
        positions = [name.lower() for name in self.function.positions if name.lower() not in self.given]
        for value in free:
            if positions:
                self.given[positions.pop(0)] = value
            elif self.function.rest:
                self.rest.append(value)
            else:
                raise self.placed(position_not_found(value, self.function.label))
        name, kind = self.function.needs or (None, None)
        if name and not self.given.keys() & {name.lower(), "literal" + name.lower()}:
            self.given[name.lower()] = members.mandatory(self.pipeline, name, self.function.label, kind)

    def parameter(self, name):
        """The whole name of a parameter that may be shortened, and whether it is a switch."""
        key = SHORT.get(name.lower(), name.lower())
        takes = [one.lower() for one in [*self.function.takes, *COMMON]]
        switches = [one.lower() for one in [*self.function.switches, *COMMON_SWITCHES]]
        found = [one for one in takes + switches if one == key] or [one for one in takes + switches if one.startswith(key)]
        if not found or not key:
            raise self.placed(parameter_not_found(name, self.function.label))
        return found[0], found[0] in switches

    def placed(self, failure):
        if self.node != (0, 0):
            self.runner.place(failure, self.node, "", self.function.label)
        return failure

    def get(self, name, default=None):
        return self.given.get(name, default)

    def text(self, name, default=""):
        from values import text_of

        value = self.given.get(name)
        return default if value is None else text_of(value)

    def fail(self, failure):
        self.runner.place(failure, self.node, self.name)
        self.keep(failure)
        self.runner.fail(failure, preference=self.get("erroraction"))

    def keep(self, failure):
        """For `-ErrorVariable`."""
        if "errorvariable" not in self.given:
            return
        name = self.text("errorvariable")
        before = self.runner.variable(name.strip("+")) if name.startswith("+") else None
        self.runner.assign(name.strip("+"), [*(before or []), failure.record()])

    def input(self):
        from values import real

        for item in real(self.source):
            self.pipeline.check()
            yield item


def nothing(values):
    for _ in values:
        pass
    return iter(())


# Streams.

@command("Write-Output", "InputObject", switches="NoEnumerate", rest=True)
def write_output(call):
    from values import items_of

    if "inputobject" in call.given:
        yield from items_of(call.get("inputobject"))
        yield from call.rest
    else:
        yield from call.input()


@command("Write-Error", "Message", takes="Category ErrorId TargetObject")
def write_error(call):
    message = call.text("message")
    failure = written_error(message, call.get("targetobject"), call.get("errorid"), "Write-Error")
    category = call.text("category", "NotSpecified")
    failure.category = next((one for one in CATEGORIES if one.lower() == category.lower()), "NotSpecified")
    if inquires(call, "erroraction", "ErrorActionPreference"):
        inquire(call, message)
        return
    history = call.runner.session.history_id
    failure.line = call.runner.source.count("\n", 0, call.node[0]) + 1
    failure.where = ("", 0, "", history, call.runner.source.strip("\n"), "")
    call.keep(failure)
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
        if preference == "inquire":
            inquire(call, "Continue with this operation?")
        yield from ()

    return write


def inquires(call, name, variable):
    return str(call.get(name, call.runner.variable(variable))).lower() == "inquire"


def inquire(call, message):
    """Asks whether to go on; the pipeline ends where it is not."""
    choices = [
        bag(label="&Yes", helpMessage="Continue with only the next step of the operation."),
        bag(label="Yes to &All", helpMessage="Continue with all the steps of the operation."),
        bag(label="&Halt Command", helpMessage="Stop this command."),
    ]
    if int(members.choice(call.pipeline, "Confirm", message, choices, 0) or 0) == 2:
        text = "The running command stopped because the user selected the Stop option."
        raise Failure(text, None, "ActionPreferenceStop", "OperationStopped", ends="pipeline")


for _stream in (
    ("Write-Warning", "warning", "WarningRecord", "WriteWarningLine", "WarningPreference", "-"),
    ("Write-Verbose", "verbose", "VerboseRecord", "WriteVerboseLine", "VerbosePreference", "verbose"),
    ("Write-Debug", "debug", "DebugRecord", "WriteDebugLine", "DebugPreference", "debug"),
):
    command(_stream[0], "Message")(informing(*_stream[1:]))


@command("Write-Information", "MessageData", "Tags")
def write_information(call):
    from values import items_of, text_of

    data = call.get("messagedata")
    tags = list(items_of(call.get("tags"))) if call.get("tags") else []
    redirected = call.runner.write("information", information(data, "Write-Information", tags))
    preference = call.get("informationaction", call.runner.variable("InformationPreference"))
    if str(preference).lower() == "continue" and not redirected:
        call.pipeline.show("WriteLine2", [text_of(data)])
    yield from ()


@command("Write-Host", "Object", takes="Separator ForegroundColor BackgroundColor", switches="NoNewline", rest=True)
def write_host(call):
    from values import items_of, text_of

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


@command("Write-Progress", "Activity", "Status", "Id", takes="PercentComplete SecondsRemaining CurrentOperation ParentId SourceId",
         switches="Completed")
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

@command("Read-Host", "Prompt", switches="AsSecureString MaskInput", rest=True)
def read_host(call):
    if "prompt" in call.given:
        call.given["prompt"] = " ".join([call.text("prompt"), *(str(one) for one in call.rest)])
    if call.get("assecurestring") or call.get("maskinput"):
        if "prompt" in call.given:
            answer = members.prompt(call.pipeline, call.text("prompt"), kind="SecureString")
        else:
            answer = call.pipeline.ask("ReadLineAsSecureString", [])
        yield answer if call.get("assecurestring") else members.plain(answer)
    elif "prompt" in call.given:
        yield members.prompt(call.pipeline, call.text("prompt"))
    else:
        yield call.pipeline.ask("ReadLine", [])


@command("Get-Credential", "Credential", takes="UserName Message Title")
def get_credential(call):
    user = call.get("username", call.get("credential"))
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


@command("Out-Default", takes="InputObject", switches="Transcript")
def out_default(call):
    source = [call.get("inputobject")] if "inputobject" in call.given else call.input()
    for method, line in display.show(source, call.pipeline):
        call.pipeline.show(method, [line])
    yield from ()


@command("Out-Host", takes="InputObject", switches="Paging")
def out_host(call):
    yield from out_default(call)


@command("Out-String", takes="InputObject Width", switches="Stream")
def out_string(call):
    lines = display.lines(map(received, call.input()), call.pipeline)
    if call.get("stream"):
        yield from lines
    else:
        yield "".join(line + "\n" for line in lines)


@command("Invoke-Expression", "Command")
def invoke_expression(call):
    yield from call.runner.script(str(call.get("command")), scope=False)


@command("Out-Null", takes="InputObject")
def out_null(call):
    yield from nothing(call.input())


# Pipelines.

@command("ForEach-Object", "Process", takes="Begin End MemberName", rest=True)
def for_each(call):
    blocks = [call.get("process"), *call.rest]
    begin, end = call.get("begin"), call.get("end")
    if "membername" in call.given or not isinstance(blocks[0], ps.PSScriptBlock):
        yield from member_of_each(call, str(call.get("membername", blocks[0])))
        return
    if len(blocks) > 1 and begin is None:
        begin = blocks.pop(0)
    if len(blocks) > 1 and end is None:
        end = blocks.pop()
    if begin is not None:
        yield from call.runner.script(str(begin), scope=False)
    for item in call.input():
        for block in blocks:
            yield from with_item(call, block, item)
    if end is not None:
        yield from call.runner.script(str(end), scope=False)


def with_item(call, block, item):
    call.runner.scopes.append({"_": item, "psitem": item})
    try:
        yield from call.runner.script(str(block), scope=False)
    finally:
        call.runner.scopes.pop()


def member_of_each(call, name):
    for item in call.input():
        value = members.member(call.runner, item, name, None)
        yield members.method(call.runner, item, name, call.rest) if value is None and isinstance(item, str) else value


@command("Where-Object", "FilterScript", "Value", takes="Property", switches="EQ NE GT LT GE LE Like Match")
def where_object(call):
    from values import binary, is_true, single

    block = call.get("filterscript", call.get("property"))
    sign = next((one for one in call.function.switches if call.get(one.lower())), None)
    for item in call.input():
        if isinstance(block, ps.PSScriptBlock):
            is_wanted = is_true(single(with_item(call, block, item)))
        else:
            value = members.member(call.runner, item, str(block), None)
            is_wanted = is_true(value) if sign is None else binary(call.runner, "-" + sign.lower(), value, call.get("value"))
        if is_wanted:
            yield item


@command("Select-Object", "Property", takes="First Last Skip ExpandProperty", switches="Unique")
def select_object(call):
    from values import items_of

    values = call.input()
    if "skip" in call.given:
        values = list(values)[int(call.get("skip")):]
    if call.get("unique"):
        values = distinct(values)
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


def distinct(values):
    seen = []
    for value in values:
        if value not in seen:
            seen.append(value)
            yield value


def first(values, count):
    for place, value in enumerate(values):
        yield value
        if place + 1 == count:
            return


@command("Sort-Object", "Property", switches="Descending Unique")
def sort_object(call):
    key = call.get("property")
    values = list(distinct(call.input()) if call.get("unique") else call.input())
    pick = (lambda item: members.member(call.runner, item, str(key), None)) if key else (lambda item: item)
    yield from sorted(values, key=pick, reverse=bool(call.get("descending")))


@command("Measure-Object", "Property", switches="Sum Average Maximum Minimum")
def measure_object(call):
    values = list(call.input())
    if "property" in call.given:
        values = [members.member(call.runner, value, call.text("property"), None) for value in values]
    numbers = {name: None for name in ("sum", "average", "maximum", "minimum")}
    for name, work in (("sum", sum), ("average", lambda all_: sum(all_) / len(all_)), ("maximum", max), ("minimum", min)):
        if call.get(name) and values:
            numbers[name] = ps.PSDouble(work(values))
    kind = ["Microsoft.PowerShell.Commands.GenericMeasureInfo", "Microsoft.PowerShell.Commands.MeasureInfo", "System.Object"]
    yield Thing(kind, kind[0], {
        "Count": len(values), "Average": numbers["average"], "Sum": numbers["sum"], "Maximum": numbers["maximum"],
        "Minimum": numbers["minimum"],
        "StandardDeviation": None, "Property": call.get("property"),
    })


def formatted(call, layout):
    from values import items_of

    wanted = [str(name) for name in items_of(call.get("property"))] if call.get("property") else None
    for item in call.input():
        known = display.properties(item)
        found = wanted and [one for name in wanted for one in (fnmatch.filter(known, name) if "*" in name else [name])]
        yield display.Formatted(item, layout, found)


@command("Format-List", "Property")
def format_list(call):
    yield from formatted(call, "list")


@command("Format-Table", "Property", switches="AutoSize HideTableHeaders Wrap")
def format_table(call):
    yield from formatted(call, "table")
