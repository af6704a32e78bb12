"""Files, processes and programs for the stand-in engine."""

import fnmatch
import os
import queue
import re
import shlex
import shutil
import signal
import subprocess
import threading

import display
import members
from clixml import Thing, bag
from commands import command
from records import (
    AUTOMATION, RUNTIME, Failure, drive_not_found, file_failure, item_exists, item_not_found, native_error, path_not_found,
)

# How long it is waited for a program's output before it is looked whether to stop, in seconds.
LOOK = 0.02


def located(session, path, activity):
    """A path below the runspace's location. Both slashes part names, as in PowerShell everywhere."""
    text = str(path).replace("\\", "/")
    drive = re.match(r"([\w-]+):(/|$)", text)
    if drive:
        raise drive_not_found(drive[1], activity)
    if text == "~" or text.startswith("~/"):
        text = os.path.expanduser("~") + text[1:]
    return os.path.normpath(os.path.join(session.location, text))


def program(name):
    """The program that a name stands for, if there is one."""
    return shutil.which(name) if "/" not in name or os.path.isabs(name) else None


def native(runner, name, arguments, source):
    """A program: its lines are output and error records in the order they came, and a stop ends it."""
    from values import items_of, text_of

    words = [text_of(item) for key, value in arguments for item in (items_of(value) if key is None else ["-" + key])]
    piped = [text_of(item) for item in source]
    # An account's home need not exist.
    folder = runner.session.location if os.path.isdir(runner.session.location) else "/"
    process = subprocess.Popen([program(name), *words], stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder)
    said = queue.Queue()
    readers = [threading.Thread(target=read, args=(pipe, is_error, said), daemon=True)
               for pipe, is_error in ((process.stdout, False), (process.stderr, True))]
    if piped:
        readers.append(threading.Thread(target=feed, args=(process.stdin, piped), daemon=True))
    for reader in readers:
        reader.start()
    errors = 0
    try:
        left = 2
        while left:
            runner.pipeline.check()
            try:
                is_error, line = said.get(timeout=LOOK)
            except queue.Empty:
                continue
            if line is None:
                left -= 1
            elif is_error:
                runner.native_error(native_error(line, errors), name)
                errors += 1
                yield from runner.pulse()
            else:
                yield line
        while process.poll() is None:
            runner.pipeline.sleep(LOOK)
    finally:
        if process.poll() is None:
            process.kill()
        code = process.wait()
        runner.session.variables["lastexitcode"] = code if code >= 0 else 128 - code
        runner.has_failed |= code != 0
    preference = runner.variable("PSNativeCommandUseErrorActionPreference")
    if code > 0 and preference is True:
        raise Failure(
            f'Program "{name}" ended with non-zero exit code: {code} (0x{code:02X}).',
            [AUTOMATION + "NativeCommandExitException", *RUNTIME], "ProgramExitedWithNonZeroCode", "NotSpecified", name)


def read(pipe, is_error, said):
    for line in pipe:
        said.put((is_error, line.decode("utf-8", "replace").rstrip("\r\n")))
    said.put((is_error, None))


def feed(pipe, lines):
    try:
        pipe.writelines(line.encode() + b"\n" for line in lines)
        pipe.close()
    except OSError:
        pass  # it did not want them all


def to_file(runner, values, path, is_append, activity="Out-File"):
    """`> file`: what Out-Default would show, as text."""
    path = located(runner.session, path, activity)
    with opened(path, "a" if is_append else "w", activity) as file:
        for line in display.lines(values, runner.pipeline):
            file.write(line + "\n")
    yield from ()


def opened(path, mode, activity):
    try:
        return open(path, mode, encoding="utf-8", errors="replace")
    except OSError as error:
        raise file_failure(error, path, activity) from None


@command("Out-File", "FilePath", takes="InputObject Encoding Width", switches="Append Force NoNewline")
def out_file(call):
    values = [call.get("inputobject")] if "inputobject" in call.given else call.input()
    yield from to_file(call.runner, values, call.text("filepath"), bool(call.get("append")))


def each_path(call, activity):
    """The files that a command's paths name, and an error for each that names none."""
    from values import items_of

    for one in items_of(call.get("path", call.get("literalpath"))):
        try:
            path = located(call.runner.session, one, activity)
        except Failure as failure:
            call.fail(failure)
            continue
        folder, _, pattern = path.rpartition("/")
        if "*" in pattern and "literalpath" not in call.given:
            folder = folder or "/"
            found = fnmatch.filter(sorted(os.listdir(folder)), pattern) if os.path.isdir(folder) else []
            yield from (os.path.join(folder, name) for name in found)
        elif os.path.lexists(path):
            yield path
        else:
            call.fail(item_not_found(path, activity))


@command("Get-Item", "Path", takes="LiteralPath", switches="Force", needs=("Path", "String[]"))
def get_item(call):
    for path in each_path(call, "Get-Item"):
        yield display.item(path)


@command("Get-ChildItem", "Path", "Filter", takes="LiteralPath", switches="Name Force File Directory")
def get_child_item(call):
    call.given.setdefault("path", call.get("literalpath", "."))
    for path in each_path(call, "Get-ChildItem"):
        is_folder = os.path.isdir(path)
        for name in sorted(os.listdir(path) if is_folder else [path]):
            whole = os.path.join(path, name)
            is_hidden = is_folder and name.startswith(".") and not call.get("force")
            is_other = call.get("file") and os.path.isdir(whole) or call.get("directory") and not os.path.isdir(whole)
            if not is_hidden and not is_other and fnmatch.fnmatch(os.path.basename(name), call.text("filter", "*")):
                yield name if call.get("name") else display.item(whole)


@command("Test-Path", "Path", takes="LiteralPath PathType")
def test_path(call):
    path = located(call.runner.session, call.get("path", call.get("literalpath")), "Test-Path")
    kind = call.text("pathtype", "Any").lower()
    yield {"leaf": os.path.isfile, "container": os.path.isdir}.get(kind, os.path.lexists)(path)


@command("Get-Content", "Path", takes="LiteralPath Encoding TotalCount", switches="Raw", needs=("Path", "String[]"))
def get_content(call):
    for path in each_path(call, "Get-Content"):
        with opened(path, "r", "Get-Content") as file:
            text = file.read()
        lines = text.splitlines()
        yield from [text] if call.get("raw") else lines[:int(call.get("totalcount", len(lines)))]


def written(call, mode, activity):
    from values import items_of, text_of

    values = items_of(call.get("value")) if "value" in call.given else call.input()
    path = located(call.runner.session, call.get("path", call.get("literalpath")), activity)
    end = "" if call.get("nonewline") else "\n"
    with opened(path, mode, activity) as file:
        file.writelines(text_of(value) + end for value in values)
    yield from ()


@command("Set-Content", "Path", "Value", takes="LiteralPath Encoding", switches="Force NoNewline")
def set_content(call):
    yield from written(call, "w", "Set-Content")


@command("Add-Content", "Path", "Value", takes="LiteralPath Encoding", switches="Force NoNewline")
def add_content(call):
    yield from written(call, "a", "Add-Content")


@command("New-Item", "Path", takes="ItemType Name Value", switches="Force Confirm WhatIf", needs=("Path", "String[]"))
def new_item(call):
    from values import items_of, text_of

    is_folder = call.text("itemtype", "File").lower() in ("directory", "container")
    operation = "Create Directory" if is_folder else "Create File"
    for one in items_of(call.get("path")):
        path = located(call.runner.session, os.path.join(text_of(one), call.text("name")), "New-Item")
        if not proceeds(call, operation, f"Destination: {path}"):
            continue
        if os.path.lexists(path) and not call.get("force"):
            raise item_exists(path)
        if is_folder:
            os.makedirs(path, exist_ok=True)
        else:
            with opened(path, "w", "New-Item") as file:
                file.write(call.text("value"))
        yield display.item(path)


@command("Remove-Item", "Path", takes="LiteralPath", switches="Confirm Force Recurse WhatIf", needs=("Path", "String[]"))
def remove_item(call):
    for path in each_path(call, "Remove-Item"):
        is_folder = os.path.isdir(path) and not os.path.islink(path)
        if not proceeds(call, "Remove Directory" if is_folder else "Remove File", path):
            continue
        is_whole = call.get("recurse")
        if is_folder and os.listdir(path) and not is_whole:
            if not asked(call, CHILDREN.format(path)):
                continue
            is_whole = True
        try:
            if not is_folder:
                os.remove(path)
            elif is_whole:
                shutil.rmtree(path)
            else:
                os.rmdir(path)
        except OSError as error:
            call.fail(file_failure(error, path, "Remove-Item"))
    yield from ()


CHILDREN = (
    "The item at {} has children and the Recurse parameter was not specified. If you continue, all children will be removed "
    "with the item. Are you sure you want to continue?"
)


def proceeds(call, operation, target):
    """Whether something is done: it is told only, or asked for before."""
    if call.get("whatif"):
        call.pipeline.show("WriteLine2", [f'What if: Performing the operation "{operation}" on target "{target}".'])
        return False
    is_asked = call.get("confirm", str(call.runner.variable("ConfirmPreference")).lower() == "low")
    message = f'Are you sure you want to perform this action?\nPerforming the operation "{operation}" on target "{target}".'
    return asked(call, message) if is_asked else True


def asked(call, message):
    choices = [
        bag(label="&Yes", helpMessage="Continue with only the next step of the operation."),
        bag(label="Yes to &All", helpMessage="Continue with all the steps of the operation."),
        bag(label="&No", helpMessage="Skip this operation and proceed with the next operation."),
        bag(label="No to A&ll", helpMessage="Skip this operation and all subsequent operations."),
    ]
    if call.to_all is None:
        answer = int(members.choice(call.pipeline, "Confirm", message, choices, 0) or 0)
        # The second and the fourth hold for all that follow.
        call.to_all = answer < 2 if answer in (1, 3) else None
        return answer < 2
    return call.to_all


@command("Set-Location", "Path", takes="LiteralPath", switches="PassThru")
def set_location(call):
    session = call.runner.session
    given = call.text("path", call.text("literalpath", "~"))
    path = session.location
    try:
        path = located(session, given, "Set-Location")
        if not os.path.isdir(path):
            raise path_not_found(path, "Set-Location") if not os.path.exists(path) else file_failure(
                NotADirectoryError(), path, "Set-Location")
        session.location = path
    except Failure as failure:
        call.fail(failure)
    if call.get("passthru"):
        yield location(path)


@command("Tee-Object", "FilePath", takes="InputObject Variable", switches="Append")
def tee_object(call):
    values = list(call.input())
    yield from to_file(call.runner, values, call.text("filepath"), bool(call.get("append")), "Tee-Object")
    yield from values


@command("Start-Process", "FilePath", "ArgumentList", takes="WorkingDirectory", switches="Wait NoNewWindow", needs=("FilePath", "String"))
def start_process(call):
    from values import items_of, text_of

    name = call.text("filepath")
    if program(name) is None:
        call.fail(Failure(
            f"This command cannot be run due to the error: An error occurred trying to start process '{name}'.",
            ["System.InvalidOperationException", "System.SystemException", "System.Exception", "System.Object"],
            "InvalidOperationException,Microsoft.PowerShell.Commands.StartProcessCommand", "InvalidOperation", None, "nothing",
            "Start-Process"))
        return
    # As PowerShell joins them, and a shell parts them again.
    words = shlex.split(" ".join(text_of(one) for one in items_of(call.get("argumentlist", []))))
    process = subprocess.Popen([program(name), *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, cwd=call.runner.session.location)
    while call.get("wait") and process.poll() is None:
        call.pipeline.sleep(LOOK)
    yield from ()


@command("Stop-Process", "Id", switches="Force", needs=("Id", "Int32[]"))
def stop_process(call):
    from values import items_of

    for one in items_of(call.get("id")):
        os.kill(int(one), signal.SIGKILL)
    yield from ()


@command("Get-Location")
def get_location(call):
    yield location(call.runner.session.location)


def location(path):
    kind = ["System.Management.Automation.PathInfo", "System.Object"]
    return Thing(kind, path, {"Drive": "/", "Provider": "Microsoft.PowerShell.Core\\FileSystem", "ProviderPath": path, "Path": path})


@command("Get-Process", "Name", takes="Id")
def get_process(call):
    from values import items_of

    found = list(display.processes())
    if "id" in call.given:
        wanted = [int(one) for one in items_of(call.get("id"))]
        found, missing = matched(found, wanted, lambda one, number: one.get("Id") == number)
        kind, words = "NoProcessFoundForGivenId", "process identifier {}"
    else:
        wanted = [str(one) for one in items_of(call.get("name", "*"))]
        found, missing = matched(found, wanted, lambda one, name: fnmatch.fnmatch(one.get("ProcessName").lower(), name.lower()))
        missing = [name for name in missing if "*" not in name]
        kind, words = "NoProcessFoundForGivenName", 'name "{}"'
    yield from found
    for one in missing:
        types = ["Microsoft.PowerShell.Commands.ProcessCommandException", "System.SystemException", "System.Exception", "System.Object"]
        hint = " Verify the process name and call the cmdlet again." if "Name" in kind else ""
        call.fail(Failure(
            f"Cannot find a process with the {words.format(one)}.{hint}", types,
            f"{kind},Microsoft.PowerShell.Commands.GetProcessCommand", "ObjectNotFound", one, "nothing", "Get-Process",
        ))


def matched(processes, wanted, is_it):
    found = [one for one in processes if any(is_it(one, name) for name in wanted)]
    return found, [name for name in wanted if not any(is_it(one, name) for one in processes)]
