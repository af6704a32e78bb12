"""One pipeline of the stand-in engine: a thread that runs its statements and writes to the client."""

import datetime
import threading
import time

from psrpcore import types as ps

import commands
import files
import members
import session_commands
from clixml import Thing, array_list, bag, enumeration
from fragments import Assembler
from records import AUTOMATION, RUNTIME, Failure, Stopped, command_not_found, stopped
from runner import Leave, Runner
from values import real

# The client's host, [MS-PSRP] 2.2.3.17.
METHODS = {
    "SetShouldExit": 6, "ReadLine": 11, "ReadLineAsSecureString": 12, "Write1": 13, "Write2": 14, "WriteLine1": 15,
    "WriteLine2": 16, "WriteLine3": 17, "WriteErrorLine": 18, "WriteDebugLine": 19, "WriteProgress": 20,
    "WriteVerboseLine": 21, "WriteWarningLine": 22, "Prompt": 23, "PromptForCredential1": 24,
    "PromptForCredential2": 25, "PromptForChoice": 26, "SetForegroundColor": 28, "SetBackgroundColor": 30,
    "SetCursorPosition": 32, "SetWindowPosition": 34, "SetCursorSize": 36, "SetBufferSize": 38, "SetWindowSize": 40,
    "SetWindowTitle": 42, "ReadKey": 46, "FlushInputBuffer": 47,
    "PopRunspace": 53, "PromptForChoiceMultipleSelection": 56,
}
ANSWERED = {
    "ReadLine", "ReadLineAsSecureString", "Prompt", "PromptForCredential1", "PromptForCredential2", "PromptForChoice",
    "ReadKey", "PromptForChoiceMultipleSelection",
}
NO_ANSWER = -100
OUTPUT, STATE, HOST_CALL = 0x41004, 0x41006, 0x41100
STREAMS = {
    "error": 0x41005, "debug": 0x41007, "verbose": 0x41008, "warning": 0x41009, "progress": 0x41010,
    "information": 0x41011,
}
STOPPED, COMPLETED, FAILED = 3, 4, 5
# How long a thread waits before it looks whether it is to stop, in seconds.
LOOK = 0.02


class Pipeline:
    def __init__(self, engine, identifier):
        self.engine = engine
        self.id = identifier
        self.assembler = Assembler()
        self.host_info = None
        self.state = "new"
        self.wanted_stop = threading.Event()
        self.changed = threading.Condition()
        self.input = []
        self.input_ended = False
        self.answers = {}
        self.next_call = 1
        self.calm = 0
        self.at_end = []
        self.session = None
        self.powershell = None
        self.questions = None
        self.no_input = True
        # What scripts have set of the window.
        self.raw = {}
        self.source = ()

    # From the client.

    def prepare(self, powershell):
        self.powershell = powershell
        self.no_input = powershell.no_input
        self.host_info = powershell.host

    def give(self, value):
        with self.changed:
            self.input.append(value)
            self.changed.notify_all()

    def end_input(self):
        with self.changed:
            self.input_ended = True
            self.changed.notify_all()

    def answer(self, call_id, answer):
        with self.changed:
            self.answers[call_id] = answer
            self.changed.notify_all()

    def stop(self):
        self.wanted_stop.set()

    def is_over(self):
        return self.state in ("new", "over")

    # For those who run in it.

    def check(self):
        if self.wanted_stop.is_set() and not self.calm:
            raise Stopped()

    def undisturbed(self, values):
        self.calm += 1
        try:
            yield from values
        finally:
            self.calm -= 1

    def sleep(self, seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            self.wanted_stop.wait(min(left, 1)) if not self.calm else time.sleep(min(left, LOOK))
        self.check()

    def wait_for(self, is_there):
        with self.changed:
            while not is_there():
                self.check()
                self.changed.wait(LOOK)

    def values(self):
        """What the client sends, one by one."""
        while True:
            self.wait_for(lambda: self.input or self.input_ended)
            if not self.input:
                return
            yield self.input.pop(0)

    def send(self, number, value):
        self.engine.send(number, value, self.id)

    def write(self, stream, record):
        self.send(STREAMS[stream], record)

    def host(self):
        own = self.host_info
        return self.engine.pool.host if own is None or own.UseRunspaceHost else own

    def view(self):
        """How errors are shown."""
        return str(self.session.variable("errorview", self))

    def has_user(self):
        host = self.host()
        return host is not None and not host.IsHostNull and not host.IsHostUINull

    def host_value(self, name):
        return getattr(getattr(self.host(), "HostDefaultData", None), name, None)

    def colors(self):
        if not self.has_user():
            return None
        pair = (self.host_value("ForegroundColor"), self.host_value("BackgroundColor"))
        return tuple(-1 if color is None else int(getattr(color, "value", color)) for color in pair)

    def show(self, method, parameters):
        """A call that is left out where nobody could see it."""
        if self.has_user():
            self.call(method, parameters)

    def require_host(self):
        if not self.has_user():
            raise members.no_user()

    def ask(self, method, parameters):
        self.require_host()
        return self.call(method, parameters)

    def call(self, method, parameters):
        call_id = NO_ANSWER
        if method in ANSWERED:
            call_id = self.next_call
            self.next_call += 1
        self.send(HOST_CALL, bag(
            ci=ps.PSInt64(call_id),
            mi=enumeration(AUTOMATION + "Remoting.RemoteHostMethodId", method, METHODS[method]),
            mp=array_list(parameters),
        ))
        if call_id == NO_ANSWER:
            return None
        self.wait_for(lambda: call_id in self.answers)
        answer = self.answers.pop(call_id)
        error = getattr(answer, "me", None)
        if error is not None:
            message = str(getattr(getattr(error, "Exception", None), "Message", error))
            kind = [AUTOMATION + "RemoteException", *RUNTIME]
            raise Failure(message, kind, "RemoteHostExecutionException", "NotSpecified")
        return getattr(answer, "mr", None)

    def end_process(self, code):
        self.engine.end(code)

    # The thread.

    def start(self, session):
        self.session = session
        self.state = "running"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        state, record = COMPLETED, None
        started = datetime.datetime.now().astimezone()
        try:
            if self.questions is not None:
                for value in session_commands.metadata(self.questions, self.session):
                    self.send(OUTPUT, value)
            else:
                self.run_statements()
        except Stopped:
            state, record = STOPPED, stopped()
        except Failure as failure:
            state, record = FAILED, failure.record()
        except Exception as error:  # the stand-in itself is wrong: say what, rather than nothing
            state, record = FAILED, Failure(f"stand-in engine: {type(error).__name__}: {error}").record()
        self.session.succeeded = state == COMPLETED and self.session.succeeded
        self.remember(state, started)
        self.finish(state, record)

    def run_statements(self):
        statements = [[]]
        for one in self.powershell.commands:
            statements[-1].append(one)
            if one.end_of_statement:
                statements.append([])
        statements = [one for one in statements if one]
        self.source = source = self.values() if not self.no_input else ()
        for place, statement in enumerate(statements):
            runner = Runner(self.session, self)
            try:
                values = source if place == 0 else ()
                for command in statement:
                    values = self.element(runner, command, values)
                for value in real(values):
                    self.check()
                    self.send(OUTPUT, members.shown(value))
            except Failure as failure:
                # One of several statements fails alone.
                if len(statements) == 1:
                    raise
                self.session.errors.insert(0, failure.record())
                self.send(STREAMS["error"], failure.record())
            except Leave as leave:
                if leave.how == "exit":
                    if self.host() is not None and not self.host().IsHostNull:
                        self.call("SetShouldExit", [leave.value])
                    return

    def element(self, runner, command, source):
        arguments = []
        for name, value in command.parameters:
            if name == "--%":
                self.session.using = using(value)
                continue
            arguments.append((name, value))
        if command.is_script:
            values = runner.script(command.command_text, arguments, source, scope=command.use_local_scope is True)
        else:
            runner.source = command.command_text
            values = self.plain(runner, command.command_text, arguments, source)
        streams = merges(command)
        return runner.redirected(values, streams) if streams else values

    def plain(self, runner, name, arguments, source):
        is_known = commands.find(name) or name.lower() in self.session.functions or files.program(name)
        if not is_known:
            failure = command_not_found(name)
            failure.ends = "pipeline"
            raise failure
        # A name and its value that the API gave belong together.
        arguments = [(one, value if value is not None or one is None or one.startswith("-") else False)
                     for one, value in arguments]
        yield from runner.command(name, arguments, source, (0, 0), api=True)

    def remember(self, state, started):
        if self.powershell is None or not self.powershell.add_to_history:
            return
        ended = datetime.datetime.now().astimezone()
        moment = lambda when: ps.PSDateTime(  # noqa: E731
            when.year, when.month, when.day, when.hour, when.minute, when.second, when.microsecond, tzinfo=when.tzinfo)
        line = self.powershell.history or self.powershell.commands[0].command_text
        status = {STOPPED: "Stopped", COMPLETED: "Completed", FAILED: "Failed"}[state]
        kind = ["Microsoft.PowerShell.Commands.HistoryInfo", "System.Object"]
        self.session.history.append(Thing(kind, line, {
            "Id": ps.PSInt64(self.session.history_id), "CommandLine": line, "ExecutionStatus": status,
            "StartExecutionTime": moment(started), "EndExecutionTime": moment(ended),
            "Duration": ps.PSDuration(seconds=(ended - started).total_seconds()),
        }))
        self.session.history_id += 1

    def finish(self, state, record=None):
        body = {"PipelineState": state} | ({"ExceptionAsErrorRecord": record} if record is not None else {})
        with self.engine.lock:
            self.send(STATE, bag(**body))
            self.state = "over"
            for action in self.at_end:
                action()
            self.at_end = []
            self.engine.free(self.session)
            self.session = None


def using(value):
    """`$using:` values, by the text of the expression."""
    import base64

    found = {}
    for key, inner in dict(value).items():
        try:
            found[base64.b64decode(str(key)).decode("utf-16-le").lower()] = inner
        except (ValueError, UnicodeDecodeError):
            found[str(key).lower()] = inner
    return found


def merges(command):
    """Where the streams of a command go: into its output, or only to the client's records."""
    found = {}
    for stream in ("error", "warning", "verbose", "debug", "information"):
        target = getattr(command, f"merge_{stream}")
        if stream == "error" and command.merge_my.name == "Error" and command.merge_to.name != "none":
            target = command.merge_to
        if target.name == "Output":
            found[stream] = "output"
        elif target.name == "Null":
            found[stream] = "record"
    return found


