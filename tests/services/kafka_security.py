"""A broker whose clients need a user, a password and a certificate to trust: a listener beside the plain one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.services.kafka import Cluster, free_ports, running

MECHANISM = "SCRAM-SHA-512"
USER, PASSWORD = "insula", "open-sesame-1001"
PROPERTIES = {
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
    "listener.name.secure.sasl.enabled.mechanisms": MECHANISM,
    f"listener.name.secure.{MECHANISM.lower()}.sasl.jaas.config": (
        "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    ),
    "listener.name.secure.ssl.keystore.type": "PEM",
}


class Authority:
    """Signs certificates; ``file`` holds its own, for who trusts it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file = folder / f"{name}.pem"
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())

    def found(self) -> None:
        certificate = self._certificate(self._name, self._key.public_key(), x509.BasicConstraints(True, None))
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def server(self) -> Path:
        """A file with a key and its certificate, for 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        place = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
        certificate = self._certificate(name, key.public_key(), place)
        file = self._folder / "server.pem"
        file.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + certificate.public_bytes(Encoding.PEM)
        )
        return file

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(
            self._name, subject, key, x509.random_serial_number(), now - timedelta(days=1), now + timedelta(days=1)
        )
        return builder.add_extension(extension, critical=False).sign(self._key, hashes.SHA256())


@dataclass(frozen=True)
class Secured:
    """``servers``: the listener that asks who one is; ``ca``: whom to trust there; ``stranger``: whom not."""

    cluster: Cluster
    servers: str
    ca: Path
    stranger: Path


@contextmanager
def secured(folder: Path) -> Iterator[Secured]:
    """One broker; stopped at the end."""
    ours, stranger = Authority(folder, "ours"), Authority(folder, "stranger")
    ours.found()
    stranger.found()
    (port,) = free_ports(1)
    keystore = {"listener.name.secure.ssl.keystore.location": str(ours.server())}
    user = ["--add-scram", f"{MECHANISM}=[name={USER},password={PASSWORD}]"]
    listener = f"SECURE://127.0.0.1:{port}"
    with running(folder, listener=listener, more={**PROPERTIES, **keystore}, formatting=user) as cluster:
        yield Secured(cluster, f"127.0.0.1:{port}", ours.file, stranger.file)
