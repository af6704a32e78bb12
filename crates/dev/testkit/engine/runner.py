"""Runs what `language` read, for one pipeline of the stand-in engine. Commands are in `commands`."""

import os
import re

from psrpcore import types as ps

import commands
import files
import members
import session_commands  # noqa: F401: registers its commands
from language import Unknown, parse
from records import Failure, Stopped, command_not_found
from values import PULSE, binary, cast, index, is_true, items_of, real, single, text_of


class Leave(Exception):
    """`exit`, `return`, `break` and `continue`: how far they leave is for who catches them."""

    def __init__(self, how, value=None):
        super().__init__(how)
        self.how = how
        self.value = value


class Runner:
    def __init__(self, session, pipeline):
        self.session = session
        self.pipeline = pipeline
        self.scopes = []
        self.redirects = []
        self.source = ""
        self.trying = 0
        # The function that runs.
        self.called = ""
        # Whether what runs now has said an error, for `$?`.
        self.has_failed = False

    # Streams.

    def write(self, stream, record):
        """A record to its stream, or to where the command that writes it was told to put it."""
        for streams, queue in reversed(self.redirects):
            target = streams.get(stream) or streams.get("*")
            if target == "output":
                queue.append(record)
                return True
            if target == "null":
                return True
            if target == "record":
                self.pipeline.write(stream, record)
                return True
        self.pipeline.write(stream, record)
        return False

    def fail(self, failure, node=None, name="", preference=None):
        """A non-terminating error, which the preference may make a terminating one."""
        if failure.where is None and node is not None:
            self.place(failure, node, name)
        self.has_failed = True
        preference = str(preference or self.variable("ErrorActionPreference")).lower()
        if preference == "stop":
            failure.ends = "pipeline"
            raise failure
        if preference == "ignore":
            return
        record = failure.record()
        self.session.errors.insert(0, record)
        if preference != "silentlycontinue":
            self.write("error", record)

    def native_error(self, failure, name):
        """What a program wrote to its standard error: it fails nothing."""
        self.place(failure, self.at, name, name.rpartition("/")[2])
        record = failure.record()
        self.session.errors.insert(0, record)
        self.write("error", record)

    def pulse(self):
        """A pulse where a redirection has taken records in."""
        return [PULSE] if any(queue for _, queue in self.redirects) else []

    def place(self, failure, node, name="", command=None):
        start, end = node
        before = self.source.rfind("\n", 0, start) + 1
        line = self.source[before:].split("\n")[0]
        statement = self.source[start:end].strip()
        failure.line = self.source.count("\n", 0, start) + 1
        failure.where = (line, start - before, statement, self.session.history_id, command or (name or None), name)

    def redirected(self, values, streams):
        queue = []
        values = iter(values)
        while True:
            self.redirects.append((streams, queue))
            try:
                value = next(values)
            except StopIteration:
                break
            finally:
                self.redirects.pop()
                while queue:
                    yield queue.pop(0)
            if value is not PULSE or self.pulse():
                yield value
        yield from queue

    # Variables.

    def variable(self, name):
        name = name.lower()
        if name.startswith("env:"):
            return os.environ.get(name[4:]) or os.environ.get(name[4:].upper())
        if name.startswith("using:"):
            return self.session.using.get("$" + name)
        name = name.rpartition(":")[2]
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return self.session.variable(name, self.pipeline)

    def assign(self, name, value):
        name = name.lower()
        if name.startswith("env:"):
            os.environ[name[4:].upper()] = text_of(value)
            return
        is_global = name.startswith("global:")
        name = name.rpartition(":")[2]
        if name != "null":
            (self.session.variables if is_global or not self.scopes else self.scopes[-1])[name] = value

    # Scripts and blocks.

    def script(self, text, arguments=(), source=(), scope=True):
        """Runs a script, or what stands between the braces of a block."""
        try:
            script = parse(text)
        except Unknown:
            words = re.match(r"\s*([^\s;|(){}]+)", text)
            failure = command_not_found(words[1] if words else text.strip())
            self.source, outer = text, self.source
            start = len(text) - len(text.lstrip())
            self.place(failure, (start, start + len(failure.name)), failure.name)
            failure.where = failure.where[:4] + (None, failure.name)
            try:
                self.raise_or_write(failure)
            finally:
                self.source = outer
            return
        outer, self.source = self.source, text
        if scope:
            self.scopes.append({})
        try:
            yield from self.body(script, list(arguments), source)
        except Leave as leave:
            if leave.how != "return":
                raise
            yield from items_of(leave.value) if leave.value is not None else ()
        finally:
            if scope:
                self.scopes.pop()
            self.source = outer

    def body(self, script, arguments, source):
        piped = self.bind(script["parameters"], arguments)
        blocks = script["blocks"]
        if blocks or piped:
            yield from self.block(blocks.get("begin", []))
            process = blocks.get("process", script["body"])
            for item in real(source):
                self.assign("_", item)
                if piped:
                    self.assign(piped, item)
                yield from self.block(process)
            yield from self.block(blocks.get("end", []))
        else:
            self.assign("input", real(source))
            yield from self.block(script["body"])

    def bind(self, parameters, arguments):
        piped = None
        names = {name.lower(): name for name, *_ in parameters}
        rest, given = [], {}
        arguments = list(arguments)
        while arguments:
            name, value = arguments.pop(0)
            if name is None:
                rest.append(value)
                continue
            key = name.strip("-:").lower()
            full = names.get(key) or next((names[one] for one in names if one.startswith(key)), None)
            if full is None:
                rest += [f"-{name}"] + ([value] if value is not None else [])
                continue
            kinds = next(kinds for known, kinds, *_ in parameters if known == full)
            is_switch = "switch" in kinds
            if value is None and not is_switch and arguments and arguments[0][0] is None:
                value = arguments.pop(0)[1]
            given[full] = True if value is None and is_switch else value
        for name, kinds, default, from_pipeline, mandatory in parameters:
            is_switch = "switch" in kinds
            if name in given:
                value = given[name]
            elif rest and not is_switch and not from_pipeline:
                value = rest.pop(0)
            elif from_pipeline:
                piped, value = name, None
            elif mandatory:
                value = members.mandatory(self.pipeline, name, self.called, members.full_kind(kinds))
            else:
                value = False if is_switch else (self.value(default) if default else None)
            self.assign(name, value)
        self.assign("args", rest)
        return piped

    def block(self, statements):
        for node in statements:
            self.pipeline.check()
            outer, self.has_failed = self.has_failed, False
            try:
                yield from self.statement(node)
            except Failure as failure:
                if failure.where is None:
                    self.place(failure, node[1:3])
                if failure.ends == "pipeline" or failure.ends == "stop" or self.trying:
                    raise
                self.raise_or_write(failure)
            yield from self.pulse()
            self.session.succeeded = not self.has_failed
            self.has_failed |= outer

    def raise_or_write(self, failure):
        if self.trying or str(self.variable("ErrorActionPreference")).lower() == "stop":
            failure.ends = "pipeline"
            raise failure
        self.has_failed = True
        record = failure.record()
        self.session.errors.insert(0, record)
        self.write("error", record)

    def statement(self, node):
        kind = node[0]
        if kind == "pipe":
            yield from self.elements(node[3], ())
        elif kind == "assign":
            value = single(self.statement(node[5]))
            if node[4] != "=":
                value = binary(self, node[4][0], self.variable(node[3]), value)
            self.assign(node[3], value)
            if node[5][0] == "assign":
                self.assign(node[3], self.variable(node[5][3]))
        elif kind == "put":
            self.put(self.value(node[3]), self.value(node[4]), single(self.statement(node[5])))
        elif kind == "set":
            members.set_member(self.path(node[3]), node[4], single(self.statement(node[5])), self.pipeline)
        elif kind == "if":
            for condition, body in node[3]:
                if is_true(single(self.statement(condition))):
                    yield from self.block(body)
                    return
            yield from self.block(node[4])
        elif kind in ("while", "foreach", "for", "do"):
            yield from self.loop(node)
        elif kind == "switch":
            yield from self.switch(node)
        elif kind == "chain":
            yield from self.chain(node)
        elif kind == "try":
            yield from self.attempt(node)
        elif kind == "function":
            self.session.functions[node[3].lower()] = node[4]
        elif kind == "throw":
            raise self.thrown(node)
        elif kind == "exit":
            value = single(self.statement(node[3] + () if node[3][0] != "pipe" else ("pipe", 0, 0, node[3][1]))) if node[3] else 0
            raise Leave("exit", int(value or 0))
        elif kind == "return":
            value = single(self.elements(node[3][1], ())) if node[3] else None
            raise Leave("return", value)
        elif kind in ("break", "continue"):
            raise Leave(kind)

    def path(self, dotted):
        name, *rest = dotted.split(".")
        value = self.variable(name)
        for part in rest:
            value = members.member(self, value, part, None)
        return value

    def put(self, value, place, new):
        if isinstance(value, (dict, ps.PSDictBase)):
            value[place] = new
        elif isinstance(value, list):
            value[int(place)] = new
        else:
            raise Failure("Cannot index into a null array.", None, "NullArray", "InvalidOperation")

    def switch(self, node):
        for item in items_of(single(self.statement(node[3]))):
            self.scopes.append({"_": item})
            try:
                is_matched = False
                for test, body in node[4]:
                    wanted = self.value(test) if test is not None else None
                    is_it = not is_matched if test is None else (
                        is_true(single(self.script(str(wanted), scope=False))) if isinstance(wanted, ps.PSScriptBlock)
                        else binary(self, "-eq", text_of(item), text_of(wanted)))
                    if is_it:
                        is_matched = True
                        yield from self.block(body)
            except Leave as leave:
                if leave.how == "break":
                    return
                if leave.how != "continue":
                    raise
            finally:
                self.scopes.pop()

    def chain(self, node):
        """`a && b || c`: the next one runs, or not, by how the last one went."""
        for sign, pipeline in node[3]:
            if sign is None or self.session.succeeded == (sign == "&&"):
                yield from self.block([pipeline])

    def loop(self, node):
        kind = node[0]
        if kind == "for" and node[3] is not None:
            yield from self.block([node[3]])
        values = iter(items_of(single(self.statement(node[4])))) if kind == "foreach" else None
        is_first = True
        while True:
            self.pipeline.check()
            if kind == "foreach":
                try:
                    self.assign(node[3], next(values))
                except StopIteration:
                    return
            elif kind == "do" and is_first:
                pass
            else:
                condition = node[{"while": 3, "for": 4, "do": 3}[kind]]
                is_wanted = condition is None or is_true(single(self.statement(condition)))
                if is_wanted == (kind == "do" and node[4] == "until"):
                    return
            is_first = False
            try:
                yield from self.block(node[-1])
            except Leave as leave:
                if leave.how == "break":
                    return
                if leave.how != "continue":
                    raise
            if kind == "for" and node[5] is not None:
                yield from self.block([node[5]])

    def attempt(self, node):
        _, _, _, body, catch, last = node
        try:
            self.trying += catch is not None
            try:
                yield from self.block(body)
            finally:
                self.trying -= catch is not None
        except Failure as failure:
            if catch is None:
                raise
            record = failure.record()
            self.session.errors.insert(0, record)
            self.scopes.append({"_": record})
            try:
                yield from self.block(catch)
            finally:
                self.scopes.pop()
        except Stopped:
            # What it writes then is lost.
            for _ in self.pipeline.undisturbed(self.block(last or [])):
                pass
            last = None
            raise
        finally:
            if last:
                yield from self.pipeline.undisturbed(self.block(last))

    def thrown(self, node):
        value = single(self.elements(node[3][1], ())) if node[3] else None
        message = "ScriptHalted" if node[3] is None else text_of(value)
        failure = Failure(message, None, message, "OperationStopped", value, "pipeline", thrown=True)
        self.place(failure, node[1:3])
        return failure

    # Pipelines.

    def elements(self, elements, source):
        values = source
        for element in elements:
            values = self.element(element, values)
        yield from values

    def element(self, element, source):
        kind = element[0]
        if kind == "invoke":
            node, arguments, redirections = element[3]
            block = self.value(node)
            if isinstance(block, ps.PSScriptBlock):
                values = self.script(str(block), self.arguments(arguments), source, scope=element[4])
            else:
                values = self.command(text_of(block), self.arguments(arguments), source, element[1:3])
        elif kind == "expr":
            values, redirections = self.enumerated(element[3]), element[4]
        else:
            redirections = element[5]
            arguments = self.arguments(element[4])
            values = self.command(element[3], arguments, source, element[1:3])
        streams = {"1": "output"}
        names = {"1": "1", "2": "error", "3": "warning", "4": "verbose", "5": "debug", "6": "information", "*": "*"}
        for stream, target, argument in redirections:
            if target in ("output", "null"):
                streams[names[stream]] = target
            else:
                values = files.to_file(self, values, text_of(self.value(argument)), target == "append")
        if streams.get("1") == "null":
            values = commands.nothing(values)
        streams.pop("1")
        yield from self.redirected(values, streams) if streams else values

    def enumerated(self, node):
        value = self.value(node)
        if node[0] == "paren" and value is None:
            return
        if node[0] in ("sub", "list") and not value:
            return
        if node[0] == "variable" and node[1].lower() == "input":
            yield from value or ()
            return
        if node[0] == "member" and value is members.VOID:
            return
        yield from items_of(value)

    def arguments(self, arguments):
        found = []
        for kind, value in arguments:
            if kind == "parameter":
                found.append((value, None))
            elif kind == "splat":
                given = self.variable(value)
                found += given.items() if isinstance(given, dict) else [(None, one) for one in items_of(given)]
            else:
                found.append((None, self.value(value)))
        return found

    def command(self, name, arguments, source, node, api=False):
        """A command with its arguments: a function of the session, one that is known, or none."""
        function = self.session.functions.get(name.lower())
        if function is not None:
            outer, self.called = self.called, name
            try:
                yield from self.script(function, arguments, source)
            finally:
                self.called = outer
            return
        known = commands.find(name)
        if known is None and files.program(name):
            self.at = node
            yield from files.native(self, name, arguments, self.given(source))
            return
        if known is None:
            failure = command_not_found(name)
            self.place(failure, node, name)
            failure.where = failure.where[:4] + (None, name)
            if api:
                failure.where = None
                failure.ends = "pipeline"
            raise failure
        yield from known(commands.Call(self, name, arguments, source, node))

    def given(self, source):
        """What is piped into a program. What the client may send is not waited for: it need not end."""
        return () if source is self.pipeline.source else real(source)

    # Values.

    def value(self, node):
        kind = node[0]
        expression = using_text(node)
        if expression in self.session.using:
            return self.session.using[expression]
        if kind == "literal":
            return node[1]
        if kind == "variable":
            return self.variable(node[1])
        if kind == "text":
            return "".join(text_of(self.value(part)) for part in node[1])
        if kind == "expand":
            words = re.sub(r"\$(env:\w+|\w+)", lambda found: text_of(self.variable(found[1])), node[1])
            return re.sub(r"`(.)", r"\1", words)
        if kind == "array":
            return [self.value(item) for item in node[1]]
        if kind in ("sub", "paren"):
            return single(self.block(node[1]))
        if kind == "list":
            return list(real(self.block(node[1])))
        if kind == "table":
            return {self.value(name): single(self.statement(value)) for name, value in node[1]}
        if kind == "block":
            return ps.PSScriptBlock(node[1])
        if kind == "type":
            return members.Type(node[1])
        if kind == "unary":
            value = self.value(node[2])
            return "".join(text_of(item) for item in items_of(value)) if node[1] == "-join" else text_of(value).split()
        if kind == "not":
            return not is_true(self.value(node[1]))
        if kind == "negative":
            return -self.value(node[1])
        if kind == "cast":
            return cast(node[1], self.value(node[2]))
        if kind == "index":
            return index(self.value(node[1]), self.value(node[2]))
        if kind == "member":
            arguments = None if node[3] is None else [self.value(item) for item in node[3]]
            return members.member(self, self.value(node[1]), node[2], arguments)
        return binary(self, node[1], self.value(node[2]), self.value(node[3]) if node[1] not in ("-and", "-or") else node[3])


def using_text(node):
    """The text of a `$using:` expression in lower case, with its members and indexes; nothing for other nodes."""
    if node[0] == "variable" and node[1].lower().startswith("using:"):
        return "$" + node[1].lower()
    if node[0] == "member" and node[3] is None:
        inner = using_text(node[1])
        return inner and f"{inner}.{node[2].lower()}"
    if node[0] == "index" and node[2][0] == "literal":
        inner = using_text(node[1])
        place = node[2][1]
        return inner and (f"{inner}['{place.lower()}']" if isinstance(place, str) else f"{inner}[{place}]")
    return None
