"""One half of a login, played by gss-ntlmssp through MIT's GSSAPI, for the tests of the login crate.

Usage: gssapi_half.py (client|server) (ntlm|negotiate) [--user U --password P] [--cbt BASE64]

The lines are those of pyspnego_half.py: step, wrap, unwrap, who. NTLM_USER_FILE names the server's accounts.
"""

import argparse
import base64
import sys

import gssapi
from gssapi.raw import ChannelBindings, acquire_cred_with_password, set_neg_mechs

NTLM = gssapi.OID.from_int_seq("1.3.6.1.4.1.311.2.2.10")
SPNEGO = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
FLAGS = (
    gssapi.RequirementFlag.integrity
    | gssapi.RequirementFlag.confidentiality
    | gssapi.RequirementFlag.replay_detection
    | gssapi.RequirementFlag.out_of_sequence_detection
)
SIGNATURE = 16


def encode(data):
    return base64.b64encode(data).decode() or "-"


def decode(text):
    return b"" if text == "-" else base64.b64decode(text)


def make_context(options):
    mechanism = NTLM if options.protocol == "ntlm" else SPNEGO
    arguments = {}
    if options.cbt:
        arguments["channel_bindings"] = ChannelBindings(application_data=decode(options.cbt))
    if options.role == "server":
        name = gssapi.Name("http@testhost", gssapi.NameType.hostbased_service)
        credential = gssapi.Credentials(name=name, usage="accept", mechs=[mechanism])
        if mechanism == SPNEGO:
            set_neg_mechs(credential, [NTLM])
        return gssapi.SecurityContext(creds=credential, usage="accept", **arguments)
    user = gssapi.Name(options.user, gssapi.NameType.user)
    acquired = acquire_cred_with_password(user, options.password.encode(), mechs=[mechanism], usage="initiate")
    credential = gssapi.Credentials(acquired.creds)
    if mechanism == SPNEGO:
        set_neg_mechs(credential, [NTLM])
    target = gssapi.Name("http@testhost.example", gssapi.NameType.hostbased_service)
    return gssapi.SecurityContext(
        name=target, creds=credential, mech=mechanism, flags=FLAGS, usage="initiate", **arguments
    )


def answer(context, words):
    command, *rest = words
    if command == "step":
        token = context.step(decode(rest[0]) if rest else None)
        kind = "done" if context.complete else "token"
        return f"{kind} {encode(token or b'')}"
    if command == "wrap":
        message = context.wrap(decode(rest[0]), True).message
        return f"sealed {encode(message[:SIGNATURE])} {encode(message[SIGNATURE:])}"
    if command == "unwrap":
        return f"plain {encode(context.unwrap(decode(rest[0]) + decode(rest[1])).message)}"
    if command == "who":
        return f"who {context.initiator_name}"
    return f"error unknown command {command}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["client", "server"])
    parser.add_argument("protocol", choices=["ntlm", "negotiate"])
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--cbt")
    context = make_context(parser.parse_args())
    for line in sys.stdin:
        try:
            reply = answer(context, line.split())
        except Exception as problem:  # the test wants to see whatever it is
            reply = "error " + " ".join(str(problem).split())
        print(reply, flush=True)


if __name__ == "__main__":
    main()
