"""Ends TLS in front of a service by https and begins it anew behind: somebody in the middle, with a certificate of its own.

Usage: tls_relay.py CERTIFICATE KEY PORT

Prints the port on which it listens.
"""

import socket
import ssl
import sys
import threading


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def relay(connection, outside, inside, port):
    try:
        client = outside.wrap_socket(connection, server_side=True)
        service = inside.wrap_socket(socket.create_connection(("127.0.0.1", port)))
    except OSError:
        connection.close()
        return
    threading.Thread(target=pump, args=(service, client), daemon=True).start()
    pump(client, service)


def main():
    certificate, key, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    outside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    outside.load_cert_chain(certificate, key)
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    inside.check_hostname, inside.verify_mode = False, ssl.CERT_NONE
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=relay, args=(connection, outside, inside, port), daemon=True).start()


if __name__ == "__main__":
    main()
