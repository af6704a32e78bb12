#!/usr/bin/env python3
"""A STAND-IN for `pwsh -NoLogo -NoProfile -sshs`, for tests on machines without PowerShell.

This is not PowerShell. It speaks the out-of-process framing of PowerShell 7 on standard input and output, answers a
small piece of the language (README.md beside this file), and behaves on the wire as recordings of the real engine do:
the order of messages, the acknowledgements, what it loses, what ends it, and its exit status. The private data that it
tells has an entry `StandInEngine`, which no real engine has.

Reading messages and the state of the pool are psrpcore's server half. What is written is in PowerShell's own dialect.
"""

import base64
import os
import struct
import sys
import threading
import time
import uuid
from types import SimpleNamespace
from xml.etree import ElementTree

from psrpcore import (
    CreatePipelineEvent, EndOfPipelineInputEvent, GetAvailableRunspacesEvent, GetCommandMetadataEvent,
    PipelineInputEvent, PSRPPayload, ResetRunspaceStateEvent, ServerPipeline, ServerRunspacePool, SetMaxRunspacesEvent,
    SetMinRunspacesEvent, StreamType,
)
from psrpcore import types as ps

import clixml
import framing
from clixml import Thing, bag
from fragments import Assembler, TransportError
from pipeline import STOPPED, Pipeline
from session import Session, version_table

ZERO = uuid.UUID(int=0)
MARK = b"\xef\xbb\xbf"
# Header and blob of a fragment, in bytes.
LARGEST = 32768
NEWEST = ps.PSVersion("2.4")
CAPABILITY, INIT, PUBLIC_KEY, CONNECT = 0x10002, 0x10004, 0x10005, 0x10008
ENCRYPTED_KEY, KEY_REQUEST, PIPELINE_INPUT, HOST_RESPONSE = 0x10006, 0x10007, 0x41002, 0x41101
POOL_KINDS = {CAPABILITY, INIT, PUBLIC_KEY, CONNECT, 0x21002, 0x21003, 0x21007, 0x2100C, 0x21101}
PIPELINE_KINDS = {0x21006, 0x2100A, PIPELINE_INPUT, 0x41003, HOST_RESPONSE}


# What a client tells of its window, by key.
WINDOW = ("ForegroundColor", "BackgroundColor", "CursorPosition", "WindowPosition", "CursorSize", "BufferSize", "WindowSize",
          "MaxWindowSize", "MaxPhysicalWindowSize", "WindowTitle")


class PlainText:
    """How SecureStrings travel from version 2.4 on: without a key."""

    def encrypt(self, value):
        return base64.b64encode(value.encode("utf-16-le", "surrogatepass")).decode()

    def decrypt(self, value):
        return base64.b64decode(value).decode("utf-16-le", "surrogatepass")

    def register_key(self, key):
        pass


def host_info(_, obj, **__):
    """psrpcore refuses the colours -1 that PowerShell sends where a terminal has none."""
    data = getattr(getattr(obj, "_hostDefaultData", None), "data", {})
    value = lambda key: getattr(data.get(key), "V", None)  # noqa: E731
    return SimpleNamespace(
        IsHostNull=obj._isHostNull, IsHostUINull=obj._isHostUINull, UseRunspaceHost=obj._useRunspaceHost,
        HostDefaultData=SimpleNamespace(**{name: value(key) for key, name in enumerate(WINDOW)}),
    )


ps.HostInfo.FromPSObjectForRemoting = classmethod(host_info)


class EnginePool(ServerRunspacePool):
    """psrpcore's pool, which writes as PowerShell does and at once."""

    def __init__(self, engine):
        super().__init__()
        self.engine = engine
        self.is_refused = False
        self.has_key = False

    def prepare_message(self, message, message_type=None, pipeline_id=None, stream_type=StreamType.default):
        number = (message_type or ps.PSRPMessageType.get_message_id(type(message))).value
        element = ps.serialize(message, self._cipher, our_capability=self.our_capability)
        self.engine.send_text(number, ElementTree.tostring(element, encoding="utf-8"), pipeline_id)

    def _process_SessionCapability(self, event):
        theirs = event.protocol_version
        is_known = ps.PSVersion("2.0") <= theirs < ps.PSVersion("3.0")
        version = min(theirs, NEWEST) if is_known else NEWEST
        self.our_capability = ps.SessionCapability(
            PSVersion=ps.PSVersion("2.0"), protocolversion=version, SerializationVersion=ps.PSVersion("1.1.0.1"))
        self.is_refused = not is_known
        if version >= NEWEST:
            self._cipher = PlainText()
        super()._process_SessionCapability(event)

    def _process_InitRunspacePool(self, event):
        least, most = event.min_runspaces, event.max_runspaces
        if least < 1 or most < 1 or least > most:
            raise TransportError("")
        arguments = event.application_arguments or {}
        self.application_private_data.clear()
        self.engine.session_arguments(arguments)
        self.host = event.host_info
        self.application_arguments = arguments
        self._min_runspaces, self._max_runspaces = least, most
        data = {"StandInEngine": "transom-testkit: this is not PowerShell", "PSVersionTable": version_table(self.version)}
        if isinstance(arguments.get("PSVersionTable"), dict):
            data |= {"DebugMode": 1, "DebugStop": False, "DebugBreakpointCount": 0, "BreakAll": False, "UnhandledBreakpointMode": 1}
        primitive = [clixml.AUTOMATION_DICTIONARY, "System.Collections.Hashtable", "System.Object"]
        self.engine.send(0x21009, bag(ApplicationPrivateData=Thing(primitive, items=data, holds="DCT")), None)
        self._change_state(ps.RunspacePoolState.Opened)

    @property
    def version(self):
        return self.our_capability.protocolversion

    def is_open(self):
        return self.state == ps.RunspacePoolState.Opened

    def shut(self):
        self.pipeline_table.clear()
        self.begin_close()
        self.close()

    def set_runspaces(self, least=None, most=None):
        self._min_runspaces = least or self._min_runspaces
        self._max_runspaces = most or self._max_runspaces


class Engine:
    def __init__(self):
        self.lock = threading.RLock()
        self.output = sys.stdout.buffer
        self.objects = 0
        self.pool = None
        self.is_dead = False
        self.is_closing = False
        self.assembler = Assembler()
        self.pipelines = {}
        self.waiting = []
        self.sessions = []
        self.busy = set()
        self.arguments = {}
        self.start_folder = os.getcwd()

    # To the client.

    def line(self, text):
        with self.lock:
            self.output.write(text.encode("utf-8", "replace") + b"\n")
            self.output.flush()

    def acknowledge(self, verb, target):
        self.line(f"<{verb}Ack PSGuid='{target}' />")

    def send(self, number, value, target=None):
        cipher = self.pool._cipher
        if not isinstance(cipher, PlainText) and self.pool.version < ps.PSVersion("2.2"):
            self.ask_for_key(value, target)
        self.send_text(number, clixml.text(value, cipher), target)

    def ask_for_key(self, value, target):
        """Below version 2.2 a SecureString waits for the client's key."""
        if self.pool.has_key or b"<SS" not in clixml.text(value, self.pool._cipher):
            return
        self.send_text(KEY_REQUEST, b"<S></S>", None)
        self.pipelines[target].wait_for(lambda: self.pool.has_key)

    def send_text(self, number, text, target):
        pool = ZERO if number in (CAPABILITY, ENCRYPTED_KEY, KEY_REQUEST) else self.pool.runspace_pool_id
        pipeline = target or ZERO
        message = struct.pack("<II", 1, number) + pool.bytes_le + pipeline.bytes_le + (MARK if text else b"") + text
        with self.lock:
            self.objects += 1
            most = LARGEST - 21
            pieces = range(0, len(message), most)
            for place, start in enumerate(pieces):
                piece = message[start:start + most]
                flags = (1 if place == 0 else 0) | (2 if start + most >= len(message) else 0)
                data = base64.b64encode(struct.pack(">QQBI", self.objects, place, flags, len(piece)) + piece).decode()
                self.output.write(f"<Data Stream='Default' PSGuid='{pipeline}'>{data}</Data>\n".encode())
            self.output.flush()

    def complain(self, error):
        self.line(f"__NamedPipeError__:Remote transport error: {error}")

    def end(self, status):
        self.output.flush()
        os._exit(status)

    # From the client.

    def run(self):
        for raw in sys.stdin.buffer:
            text = raw.decode("utf-8", "replace")
            text = text[:-1] if text.endswith("\n") else text
            if not text.strip("\r"):
                break
            try:
                for packet in framing.packets(text[:-1] if text.endswith("\r") else text):
                    self.handle(*packet)
            except framing.Fatal as fatal:
                self.fatal(fatal)
        if self.pool is not None and self.pool.is_open() and not self.is_dead:
            self.pool.shut()
        for pipeline in list(self.pipelines.values()):
            pipeline.stop()
        # What runs still says that it was stopped.
        until = time.monotonic() + 1
        while time.monotonic() < until and not all(one.is_over() for one in self.pipelines.values()):
            time.sleep(0.01)
        self.fatal(framing.UNKNOWN.format(""))

    def fatal(self, error):
        self.line(f"__NamedPipeError__:{error}")
        self.end(160)

    def handle(self, verb, target, data):
        if verb == "Data":
            if target == ZERO:
                self.pool_data(data)
            else:
                self.pipeline_data(target, data)
        elif verb == "Command":
            if target in self.pipelines:
                raise framing.Fatal(f"An item with the same key has already been added. Key: {target}")
            if target != ZERO:
                self.pipelines[target] = Pipeline(self, target)
            self.acknowledge("Command", target)
        elif verb == "Signal":
            if target == ZERO:
                raise framing.Fatal("A Signal message to a session is not supported. A Signal message can be sent only to a command.")
            self.stop(target, lambda: self.acknowledge("Signal", target))
        elif target == ZERO:
            self.is_closing = True
            self.close_if_free()
        else:
            self.stop(target, lambda: self.forget(target))

    def stop(self, target, then):
        """Stops a pipeline, and does something once it has ended."""
        pipeline = self.pipelines.get(target)
        with self.lock:
            if pipeline is None or pipeline.is_over():
                then()
                return
            pipeline.at_end.append(then)
            if pipeline in self.waiting:
                self.waiting.remove(pipeline)
                pipeline.finish(STOPPED)
                return
        pipeline.stop()

    def forget(self, target):
        self.pipelines.pop(target, None)
        if self.pool is not None:
            self.pool.pipeline_table.pop(target, None)
        self.acknowledge("Close", target)
        self.close_if_free()

    def close_if_free(self):
        """The pool closes when every pipeline was closed; it stops none."""
        if not self.is_closing or self.pipelines:
            return
        if self.pool is not None and self.pool.is_open() and not self.is_dead:
            self.pool.shut()
        self.is_closing = self.is_dead = False
        self.pool, self.assembler = None, Assembler()
        self.acknowledge("Close", ZERO)

    def pool_data(self, data):
        try:
            for message in self.assembler.handle(data):
                self.pool_message(*message)
        except TransportError as error:
            self.complain(error)
        except Exception as error:  # what psrpcore says of a message that it cannot read
            self.complain("" if not isinstance(error, LookupError) else "Object reference not set to an instance of an object.")
        self.acknowledge("Data", ZERO)

    def pool_message(self, number, pool_id, pipeline_id, body):
        if number in PIPELINE_KINDS:
            raise TransportError("Object reference not set to an instance of an object.")
        if number not in POOL_KINDS or number == CONNECT or self.is_dead:
            return
        if self.pool is None:
            if number != CAPABILITY:
                return
            self.pool = EnginePool(self)
            self.pool.runspace_pool_id = pool_id
        elif number == CAPABILITY or pool_id != self.pool.runspace_pool_id:
            self.kill()
            return
        elif number == INIT and self.pool.is_open():
            raise TransportError(
                f"The session already exists. Trying to create the session again with the same InstanceId {pool_id} is not allowed.")
        if self.pool.is_refused:
            return
        event = self.read(number, pool_id, pipeline_id, body)
        if number == INIT:
            self.new_sessions()
        elif number == PUBLIC_KEY:
            self.pool.has_key = True
        self.answer(event)

    def read(self, number, pool_id, pipeline_id, body):
        """Gives a message to psrpcore, as one fragment. PowerShell finds properties in any case, psrpcore does not, and
        pypsrp writes CI in two messages."""
        body = body.replace(b'N="CI"', b'N="ci"')
        message = struct.pack("<II", 2, number) + pool_id.bytes_le + pipeline_id.bytes_le + body
        fragment = struct.pack(">QQBI", 1, 0, 3, len(message)) + message
        self.pool.receive_data(PSRPPayload(fragment, StreamType.default, None))
        return self.pool.next_event()

    def kill(self):
        """What breaks a rule of the pool closes it; the process goes on and answers nothing more."""
        self.pool.shut()
        self.is_dead = True

    def answer(self, event):
        if isinstance(event, SetMaxRunspacesEvent):
            count = event.count
            is_good = count >= 1 and count >= self.pool.min_runspaces
            if is_good:
                self.pool.set_runspaces(most=count)
            self.availability(event.ci, is_good)
            self.schedule()
        elif isinstance(event, SetMinRunspacesEvent):
            count = event.count
            is_good = 1 <= count <= self.pool.max_runspaces
            if is_good:
                self.pool.set_runspaces(least=count)
            self.availability(event.ci, is_good)
        elif isinstance(event, GetAvailableRunspacesEvent):
            self.availability(event.ci, self.pool.max_runspaces - len(self.busy))
        elif isinstance(event, ResetRunspaceStateEvent):
            is_alone = self.pool.max_runspaces == 1
            if is_alone:
                for session in self.sessions:
                    session.reset()
            self.availability(event.ci, is_alone)

    def availability(self, call_id, response):
        self.send(0x21004, bag(SetMinMaxRunspacesResponse=response, ci=ps.PSInt64(call_id)))

    # Pipelines.

    def pipeline_data(self, target, data):
        pipeline = self.pipelines.get(target)
        is_alive = pipeline is not None and self.pool is not None and self.pool.is_open() and not self.is_dead
        if not is_alive:
            self.acknowledge("Data", target)
            return
        start = None
        try:
            for number, pool_id, pipeline_id, body in pipeline.assembler.handle(data):
                if pool_id != self.pool.runspace_pool_id:
                    self.kill()
                    break
                if pipeline_id != target:
                    raise TransportError("")
                start = self.pipeline_message(pipeline, number, pool_id, body) or start
        except TransportError as error:
            self.complain(error)
        except Exception:  # what psrpcore says of a message that it cannot read
            self.complain("")
        self.acknowledge("Data", target)
        if start is not None:
            start()

    def pipeline_message(self, pipeline, number, pool_id, body):
        if number == PIPELINE_INPUT and not body:
            pipeline.give(None)
            return None
        if number == HOST_RESPONSE:
            answer = ps.deserialize(ElementTree.fromstring(body), self.pool._cipher)
            pipeline.answer(int(answer.ci), answer)
            return None
        if number not in PIPELINE_KINDS:
            return None
        if number in (0x21006, 0x2100A):
            ServerPipeline(self.pool, pipeline.id)
        event = self.read(number, pool_id, pipeline.id, body)
        if isinstance(event, CreatePipelineEvent):
            pipeline.prepare(event.pipeline)
            return lambda: self.enqueue(pipeline)
        if isinstance(event, GetCommandMetadataEvent):
            pipeline.questions = list(event.pipeline.name)
            return lambda: self.enqueue(pipeline)
        if isinstance(event, PipelineInputEvent):
            # An empty body is null; an element that says null is refused.
            if event.data is None:
                raise TransportError("")
            pipeline.give(event.data)
        elif isinstance(event, EndOfPipelineInputEvent):
            pipeline.end_input()
        return None

    def enqueue(self, pipeline):
        pipeline.state = "waiting"
        with self.lock:
            self.waiting.append(pipeline)
            self.schedule()

    def schedule(self):
        """Starts what waits, as long as a runspace is free."""
        with self.lock:
            while self.waiting and len(self.busy) < self.pool.max_runspaces:
                number = next(one for one in range(1, len(self.busy) + 2) if one not in self.busy)
                while len(self.sessions) < number:
                    self.sessions.append(Session(self, len(self.sessions) + 1))
                self.busy.add(number)
                self.waiting.pop(0).start(self.sessions[number - 1])

    def free(self, session):
        if session is not None:
            self.busy.discard(session.number)
        if self.pool is not None and self.pool.is_open():
            self.schedule()

    def session_arguments(self, arguments):
        self.arguments = arguments

    def new_sessions(self):
        self.sessions, self.busy, self.waiting = [], set(), []


if __name__ == "__main__":
    sys.setrecursionlimit(10000)
    Engine().run()
