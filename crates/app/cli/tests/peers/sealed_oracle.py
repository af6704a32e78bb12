"""Opens sealed bodies with pyspnego's NTLM primitives, given the session key.

    SCRIPT SESSION_KEY ROLE [--sequence N] [--flags HEX] [--base64] < BODIES

SESSION_KEY is the exported session key in hex (32 digits), ROLE is `client` or `server`: whose
messages the bodies are. Each line of standard input is one HTTP body of multipart/encrypted in
base64, in the order in which they were sent: one connection and one direction share one cipher
state. `--sequence` is the number of the first message, 0 unless given: 1 after an SPNEGO login
with a mechListMIC, which takes number 0 and starts the cipher anew. `--flags` are the negotiated
flags in hex; without it, those of every sealed login here: extended session security, key
exchange, 128 bits, sign and seal.

Prints each plaintext followed by a line feed (in base64 with `--base64`). The exit code is 0 only
if every signature held and every length was the announced one; else 1, the reason on standard
error. The last line on standard error names the peer: `PEER pyspnego VERSION: ...`.
"""

import argparse
import base64
import binascii
import hmac
import importlib.metadata
import re
import struct
import sys

sys.dont_write_bytecode = True

from spnego._ntlm_raw.crypto import rc4init, sealkey, signkey  # noqa: E402
from spnego._ntlm_raw.messages import NegotiateFlags  # noqa: E402
from spnego._ntlm_raw.security import sign  # noqa: E402

FLAGS = (
    NegotiateFlags.extended_session_security
    | NegotiateFlags.key_exch
    | NegotiateFlags.key_128
    | NegotiateFlags.key_56
    | NegotiateFlags.seal
    | NegotiateFlags.sign
    | NegotiateFlags.always_sign
    | NegotiateFlags.unicode
)
BOUNDARY = b"--Encrypted Boundary"
# Some senders begin a MIME header with a tab, some do not.
ANNOUNCED = re.compile(rb"OriginalContent:[^\r\n]*;\s*Length=(\d+)", re.IGNORECASE)
SEALED_PART = re.compile(rb"\t?Content-Type:\s*application/octet-stream\r\n", re.IGNORECASE)


class Broken(Exception):
    """What is wrong with a body."""


class Receiver:
    """The receiving half of one direction: pyspnego's cipher, keys and signature."""

    def __init__(self, session_key, role, flags, sequence):
        usage = {"client": "initiate", "server": "accept"}[role]
        self.flags = flags
        self.cipher = rc4init(sealkey(flags, session_key, usage))
        self.signing_key = signkey(flags, session_key, usage)
        self.sequence = sequence

    def open(self, signature, data):
        """Unseals one message and checks its signature."""
        plain = self.cipher.update(data)
        wanted = sign(self.flags, self.cipher, self.signing_key, self.sequence, plain)
        if not hmac.compare_digest(wanted, signature):
            raise Broken(f"message {self.sequence}: signature {signature.hex()}, wanted {wanted.hex()}")
        self.sequence += 1
        return plain


def sealed_messages(body):
    """The (signature, data) of each message in a body."""
    if not re.fullmatch(rb"(?s).*" + BOUNDARY + rb"--(\r\n){0,2}", body):
        raise Broken("the body does not end with the closing boundary")
    position, found = 0, 0
    while head := ANNOUNCED.search(body, position):
        part = SEALED_PART.search(body, head.end())
        if not part:
            raise Broken("an announced length without its sealed part")
        # The sealed bytes may contain the boundary by chance: the announced length decides.
        size = int(head[1])
        start = part.end()
        (signature_size,) = struct.unpack_from("<I", body, start)
        if signature_size != 16:
            raise Broken(f"a signature of {signature_size} bytes")
        data_start = start + 4 + signature_size
        if not body.startswith(BOUNDARY, data_start + size):
            raise Broken(f"the sealed part is not the announced {size} bytes long")
        yield body[start + 4 : data_start], body[data_start : data_start + size]
        position, found = data_start + size, found + 1
    if not found:
        raise Broken("no sealed message in the body")


def main():
    """Reads the arguments and the bodies; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("session_key", type=binascii.unhexlify)
    parser.add_argument("role", choices=["client", "server"])
    parser.add_argument("--sequence", type=int, default=0)
    parser.add_argument("--flags", type=lambda text: int(text, 16), default=int(FLAGS))
    parser.add_argument("--base64", action="store_true")
    given = parser.parse_args()
    receiver = Receiver(given.session_key, given.role, given.flags, given.sequence)
    bodies = messages = 0
    for line in sys.stdin:
        try:
            plain = b""
            for signature, data in sealed_messages(base64.b64decode(line.strip(), validate=True)):
                plain += receiver.open(signature, data)
                messages += 1
        except (Broken, struct.error, binascii.Error) as error:
            print(f"body {bodies + 1}: {error}", file=sys.stderr)
            return 1
        bodies += 1
        sys.stdout.buffer.write((base64.b64encode(plain) if given.base64 else plain) + b"\n")
    sys.stdout.flush()
    if not bodies:
        print("no bodies on standard input", file=sys.stderr)
        return 1
    version = importlib.metadata.version("pyspnego")
    print(f"PEER pyspnego {version}: opened {messages} sealed messages of the {given.role}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
