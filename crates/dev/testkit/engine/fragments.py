"""Fragments to messages, with the tolerance and the refusals of PowerShell 7."""

import struct
import uuid

MARK = b"\xef\xbb\xbf"
HEADER = 21
SHORT = (
    "An error occurred while decoding data received from the remote computer. At least 61 bytes of data are required "
    "to decode a deserialized object that is received from a remote computer."
)
TOO_LARGE = (
    "Remoting data is too large to be reassembled from the fragments. This can happen if the length of the data in a "
    "fragment is greater than Int32.Max."
)


class TransportError(Exception):
    """The engine complains on a line that is no packet, and goes on."""


class Assembler:
    """What came for one target, and is not a message yet."""

    def __init__(self):
        self.waiting = b""
        self.object = None
        self.next = 0
        self.pieces = []

    def handle(self, data):
        """Messages that are whole now: type, pool, pipeline, and body."""
        self.waiting += data
        while len(self.waiting) >= HEADER:
            number, place, flags, length = struct.unpack(">QQBi", self.waiting[:HEADER])
            if length < 0:
                self.waiting = b""
                raise TransportError(TOO_LARGE)
            if len(self.waiting) < HEADER + length:
                return
            piece = self.waiting[HEADER:HEADER + length]
            self.waiting = self.waiting[HEADER + length:]
            message = self.piece(number, place, flags, piece)
            if message is not None:
                yield message

    def piece(self, number, place, flags, piece):
        if number == 0:
            self.waiting = b""
            raise TransportError("")
        if flags & 1:
            self.object, self.next, self.pieces = number, 0, []
        if number != self.object:
            raise TransportError("Unexpected ObjectId received. This can happen if the fragments are not properly constructed by the remote computer.")
        if place != self.next:
            self.object = None
            raise TransportError("")
        self.next += 1
        self.pieces.append(piece)
        if not flags & 2:
            return None
        whole, self.pieces, self.object = b"".join(self.pieces), [], None
        return message(whole) if whole else None


def message(whole):
    if len(whole) < 40:
        raise TransportError(SHORT)
    destination, number = struct.unpack("<II", whole[:8])
    if destination != 2:
        raise TransportError("")
    body = whole[40:]
    body = body[3:] if body.startswith(MARK) else body
    return number, uuid.UUID(bytes_le=whole[8:24]), uuid.UUID(bytes_le=whole[24:40]), body
