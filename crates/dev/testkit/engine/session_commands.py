"""The commands of the stand-in engine that ask or change the session, and those for secrets and time."""

import fnmatch

from psrpcore import types as ps

import commands
import display
import files
import members
from clixml import Thing, custom
from commands import command, find, names
from records import Failure, command_not_found, variable_not_found


@command("prompt")
def prompt(call):
    yield f"PS {call.runner.session.location}> "


@command("Start-Sleep", "Seconds", takes="Milliseconds")
def start_sleep(call):
    seconds = float(call.get("milliseconds", 0)) / 1000 or float(call.get("seconds", 0))
    call.pipeline.sleep(seconds)
    yield from ()


@command("Get-History", "Id", "Count")
def get_history(call):
    yield from list(call.runner.session.history)


@command("Invoke-History", "Id")
def invoke_history(call):
    session = call.runner.session
    wanted = int(call.get("id", session.history_id - 1))
    line = next((one.get("CommandLine") for one in session.history if int(one.get("Id")) == wanted), None)
    if line is None:
        call.fail(Failure(f"Cannot locate the history for Id {wanted}.", None, "InvokeHistoryNoHistoryForId", "ObjectNotFound", wanted,
                          "nothing", "Invoke-History"))
        return
    # It is shown, and stands in the history for this command.
    call.pipeline.show("WriteLine2", [line])
    call.pipeline.powershell.history = line
    yield from call.runner.script(line, scope=False)


@command("Get-Date", "Date", takes="Format Year Month Day Hour Minute Second")
def get_date(call):
    when = members.moment(call.text("date")) if "date" in call.given else ps.PSDateTime.now().astimezone()
    given = [name for name in ("year", "month", "day", "hour", "minute", "second") if name in call.given]
    when = when.replace(**{name: int(call.get(name)) for name in given})
    yield members.formatted_date(when, call.text("format")) if "format" in call.given else when


@command("ConvertFrom-SecureString", "SecureString", switches="AsPlainText")
def convert_from_secure_string(call):
    if not call.get("asplaintext"):
        raise command_not_found("ConvertFrom-SecureString")
    yield members.plain(call.get("securestring"))


@command("ConvertTo-SecureString", "String", switches="AsPlainText Force", needs=("String", "String"))
def convert_to_secure_string(call):
    if not call.get("asplaintext"):
        raise command_not_found("ConvertTo-SecureString")
    yield members.secure(call.text("string"))


@command("Set-StrictMode", takes="Version", switches="Off")
def set_strict_mode(call):
    yield from ()


@command("Get-Command", "Name", takes="CommandType Noun Verb Module", switches="ListImported All")
def get_command(call):
    from values import items_of

    session = call.runner.session
    for one in items_of(call.get("name", "*")):
        pattern = str(one)
        found = [command_info(name) for name in names(pattern) if name.lower() not in session.functions]
        found += [function_info(name) for name in session.functions if fnmatch.fnmatch(name, pattern.lower())]
        if not found and "*" not in pattern and files.program(pattern):
            found = [application_info(files.program(pattern))]
        if not found and "*" not in pattern:
            failure = command_not_found(pattern)
            failure.error_id = "CommandNotFoundException,Microsoft.PowerShell.Commands.GetCommandCommand"
            failure.activity, failure.ends = "Get-Command", "nothing"
            call.fail(failure)
        yield from found


def command_info(name):
    if "-" not in name or name.startswith("__"):
        return function_info(name)
    verb, _, noun = name.partition("-")
    kind = ["System.Management.Automation.CmdletInfo", "System.Management.Automation.CommandInfo", "System.Object"]
    return Thing(kind, name, {
        "Verb": verb, "Noun": noun, "Name": name, "CommandType": display.cmdlet_type(), "Version": "7.0.0.0",
        "Source": "Microsoft.PowerShell.Core",
    })


def function_info(name):
    kind = ["System.Management.Automation.FunctionInfo", "System.Management.Automation.CommandInfo", "System.Object"]
    return Thing(kind, name, {"Name": name, "CommandType": display.command_type("Function", 2), "Version": "", "Source": ""})


def application_info(path):
    kind = ["System.Management.Automation.ApplicationInfo", "System.Management.Automation.CommandInfo", "System.Object"]
    name = path.rpartition("/")[2]
    return Thing(kind, name, {
        "Name": name, "CommandType": display.command_type("Application", 32), "Version": "0.0.0.0", "Source": path,
        "Path": path,
    })


@command("TabExpansion2", "inputScript", "cursorColumn", takes="options")
def tab_expansion(call):
    yield display.completion(call.text("inputscript"), int(call.get("cursorcolumn", 0)), names, call.runner.session)


def _quiet(call):
    yield from ()


command("__Set-PSDebugMode", "Mode", takes="UnhandledBreakpointMode")(_quiet)
command("__Set-PSUnhandledBreakpointMode", "UnhandledBreakpointMode", takes="Mode")(_quiet)


@command("Get-Variable", "Name", switches="ValueOnly")
def get_variable(call):
    from values import items_of

    session = call.runner.session
    for one in items_of(call.get("name", "*")):
        pattern = str(one).lower()
        known = sorted({*session.variables, *session.automatic()})
        found = fnmatch.filter(known, pattern)
        if not found and "*" not in pattern:
            call.fail(variable_not_found(str(one)))
        for name in found:
            value = call.runner.variable(name)
            kind = ["System.Management.Automation.PSVariable", "System.Object"]
            yield value if call.get("valueonly") else Thing(kind, kind[0], {"Name": session.spelled(name), "Value": value})


@command("Set-Variable", "Name", "Value", takes="Scope")
def set_variable(call):
    call.runner.assign(("global:" if call.text("scope").lower() == "global" else "") + call.text("name"), call.get("value"))
    yield from ()


@command("Remove-Variable", "Name")
def remove_variable(call):
    if call.runner.session.variables.pop(call.text("name").lower(), None) is None:
        call.fail(variable_not_found(call.text("name")))
    yield from ()


@command("Exit-PSSession")
def exit_session(call):
    call.pipeline.show("PopRunspace", [])
    yield from ()


@command("Get-Large", "Megabytes", "Piece")
def get_large(call):
    """Not PowerShell's: writes strings of one MiB, or of `piece` characters, until there are so many MiB."""
    piece = int(call.get("piece", 1 << 20))
    left = int(float(call.get("megabytes", 50)) * (1 << 20))
    while left > 0:
        call.pipeline.check()
        yield "x" * min(piece, left)
        left -= piece


def metadata(patterns, session):
    """What GET_COMMAND_METADATA is answered with."""
    found = [name for pattern in patterns for name in names(str(pattern))]
    found += [name for pattern in patterns for name in session.functions if fnmatch.fnmatch(name, str(pattern).lower())
              and not find(name)]
    count = ["Selected.Microsoft.PowerShell.Commands.GenericMeasureInfo", *custom().type_names]
    yield Thing(count, notes={"Count": len(found)})
    for name in found:
        yield display.command_metadata(name, commands.find(name))
