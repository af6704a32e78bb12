"""What released clients see of a service while somebody else changes its settings: each line of stdin is asked, and answered
by a line.

    settings_seen.py ENDPOINT USER

    login CLIENT LOGIN [USER]     pywinrm or pypsrp runs a command: `pass`, or `refused: ` and what the client says. LOGIN is
                                  that of the client; with `:readable` its messages are not sealed; by https it sends no
                                  channel binding with `:unbound`, and that of another connection with `:misbound`
    shells NUMBER                 pypsrp opens shells, which stay: `opened`, or the fault
    close                         it closes them
    list                          pypsrp lists them with one optimised Enumerate: how many it brings, and whether there are more
    begin                         pypsrp begins an enumeration of them that brings nothing yet
    pull NUMBER                   the next ones of it, as many at most
    wait                          pypsrp waits for output of a command that has none, for less time than the defaults let it
    inner                         the SHA-1 of the certificate inside logins by CredSSP, as OpenSSL sees it

The password comes in TRANSOM_TEST_PASSWORD, the service's certificate in TRANSOM_TEST_CA, the client's in
TRANSOM_TEST_CERTIFICATE and TRANSOM_TEST_KEY.
"""

import base64
import hashlib
import http.client
import os
import re
import ssl
import sys
import xml.etree.ElementTree as ET
from urllib.parse import urlsplit

sys.dont_write_bytecode = True

import winrm  # noqa: E402
from pypsrp.exceptions import WSManFaultError  # noqa: E402
from pypsrp.negotiate import HTTPNegotiateAuth  # noqa: E402
from pypsrp.shell import Process, SignalCode, WinRS  # noqa: E402
from pypsrp.wsman import NAMESPACES, OptionSet, SelectorSet, WSMan, WSManAction  # noqa: E402

from peer import same  # noqa: E402
from pypsrp_lists import OPTIMIZED, SHELL, N, W, begin, pull  # noqa: E402

LINE = "echo out; echo err >&2; exit 7"
ENDED = (b"out\n", b"err\n", 7)
RSP = NAMESPACES["rsp"]
BINDING = HTTPNegotiateAuth._get_cbt_data


class Clients:
    """Everything that is asked by one conversation."""

    def __init__(self, endpoint, user):
        self.endpoint, self.user = endpoint, user
        self.url = urlsplit(endpoint)
        self.password = os.environ["TRANSOM_TEST_PASSWORD"]
        self.authority = os.environ.get("TRANSOM_TEST_CA", True)
        self.certificate = [os.environ.get(f"TRANSOM_TEST_{name}") for name in ("CERTIFICATE", "KEY")]
        self.opened, self.context = [], None

    def connection(self, login="ntlm", user=None, **options):
        """pypsrp's, which logs in with its first message."""
        login, _, how = login.partition(":")
        tls = self.url.scheme == "https"
        if login == "certificate":
            options["certificate_pem"], options["certificate_key_pem"] = self.certificate
        # Otherwise it would refuse by itself, and nobody would ask the service.
        seals = tls or (login != "basic" and how != "readable")
        return WSMan(
            self.url.hostname,
            port=self.url.port,
            username=user or self.user,
            password=self.password,
            ssl=tls,
            auth=login,
            encryption="auto" if seals else "never",
            no_proxy=True,
            cert_validation=self.authority,
            negotiate_service="HTTP",
            negotiate_send_cbt=how != "unbound",
            **options,
        )

    def login(self, client, login, user=None):
        try:
            same({"pywinrm": self.by_pywinrm, "pypsrp": self.by_pypsrp}[client](login, user), ENDED)
        except AssertionError:
            # It was let in and brought something else: neither of the two.
            raise
        except Exception as error:
            return f"refused: {type(error).__name__} {error}".replace("\n", " ")
        return "pass"

    def by_pywinrm(self, login, user):
        login, _, how = login.partition(":")
        session = winrm.Session(
            self.endpoint,
            auth=(user or self.user, self.password),
            transport=login,
            message_encryption="never" if how == "readable" else "auto",
            ca_trust_path=self.authority if self.authority is not True else "legacy_requests",
            send_cbt=how != "unbound",
            cert_pem=self.certificate[0],
            cert_key_pem=self.certificate[1],
        )
        ran = session.run_cmd(LINE)
        return ran.std_out, ran.std_err, ran.status_code

    def by_pypsrp(self, login, user):
        data = (lambda _: b"tls-server-end-point:" + bytes(32)) if login.endswith(":misbound") else BINDING
        HTTPNegotiateAuth._get_cbt_data = staticmethod(data)
        with self.connection(login, user) as opened, WinRS(opened) as shell:
            process = Process(shell, LINE)
            process.invoke()
            process.signal(SignalCode.TERMINATE)
            return process.stdout, process.stderr, process.rc

    def shells(self, number):
        for _ in range(int(number)):
            shell = WinRS(self.connection())
            shell.open()
            self.opened.append(shell)
        return "opened"

    def close(self):
        for shell in self.opened:
            shell.close()
            shell.wsman.close()
        self.opened = []
        return "closed"

    def told(self, items, answer):
        more = "the last" if answer.find(f".//{N}EndOfSequence") is not None else "more"
        more = "the last" if answer.find(f".//{W}EndOfSequence") is not None else more
        return f"{0 if items is None else len(items)}, {more}"

    def list(self):
        with self.connection() as opened:
            (answer,) = opened.enumerate(SHELL, begin(*OPTIMIZED))
            return self.told(answer.find(W + "Items"), answer)

    def begin(self):
        (answer,) = self.opened[0].wsman.enumerate(SHELL, begin())
        self.context = answer.find(N + "EnumerationContext").text
        return self.told(answer.find(W + "Items"), answer)

    def pull(self, number):
        (answer,) = self.opened[0].wsman.pull(SHELL, pull(self.context, MaxElements=number))
        return self.told(answer.find(N + "Items"), answer)

    def wait(self):
        connection = self.connection(operation_timeout=50, read_timeout=30)
        with connection as opened, WinRS(opened) as shell:
            process = Process(shell, "sleep 86400")
            process.begin_invoke()
            receive = ET.Element("{%s}Receive" % RSP)
            ET.SubElement(receive, "{%s}DesiredStream" % RSP, {"CommandId": process.id}).text = "stdout"
            selectors, options = SelectorSet(), OptionSet()
            selectors.add_option("ShellId", shell.id)
            options.add_option("WSMAN_CMDSHELL_OPTION_KEEPALIVE", "TRUE")
            # Its own Receive is sent again where the time to read is over.
            opened.invoke(WSManAction.RECEIVE, shell.resource_uri, receive, options, selectors)
            return "output"

    def inner(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = context.wrap_bio(received, sent)
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port)
        while True:
            try:
                session.do_handshake()
            except ssl.SSLWantReadError:
                token = base64.b64encode(sent.read()).decode()
                connection.request("POST", self.url.path, b"", {"Authorization": f"CredSSP {token}"})
                answer = connection.getresponse()
                answer.read()
                said = re.search("CredSSP ([A-Za-z0-9+/=]+)", answer.getheader("WWW-Authenticate", ""))
                if said is None:
                    return f"status {answer.status}"
                received.write(base64.b64decode(said[1]))
            else:
                connection.close()
                return hashlib.sha1(session.getpeercert(True)).hexdigest().upper()

    def ask(self, name, *words):
        try:
            return getattr(self, name)(*words)
        except WSManFaultError as fault:
            return f"fault {fault.code}"


if __name__ == "__main__":
    # The service is on loopback: no proxy of the environment may stand between.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    clients = Clients(*sys.argv[1:])
    for line in sys.stdin:
        print(clients.ask(*line.split()), flush=True)
