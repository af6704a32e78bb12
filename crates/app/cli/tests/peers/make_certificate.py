"""Makes a self-signed client certificate with the package `cryptography`, as guides to WinRM do: cert.pem and cert_key.pem.

    SCRIPT FOLDER USER
"""

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

USER_PRINCIPAL_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


def main(folder, user):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    upn = f"{user}@localhost".encode()
    # UTF8String
    name = x509.OtherName(USER_PRINCIPAL_NAME, b"\x0c" + bytes([len(upn)]) + upn)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user)])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = Path(folder)
    folder.joinpath("cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    folder.joinpath("cert_key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
