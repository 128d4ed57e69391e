"""Certificates for tests, valid for a day."""

import datetime
import ipaddress
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, in PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """Signs certificates."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority for tests")])
        authority = x509.BasicConstraints(ca=True, path_length=0)
        signed = self._template(self._name, self._key).add_extension(authority, critical=True)
        signed = signed.add_extension(_usage(signs=True), critical=True)
        self.certificate = _pem(signed.sign(self._key, hashes.SHA256()))
        """Its own certificate, in PEM."""
        self.own = Identity(self.certificate, _private(self._key))
        """Itself as a server or client: as who makes a certificate that signs itself."""

    def identity(self, *names: x509.GeneralName, common_name: str | None = None) -> Identity:
        """A certificate for these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        common = [] if common_name is None else [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        named = self._template(x509.Name(common), key)
        if names:
            named = named.add_extension(x509.SubjectAlternativeName(names), critical=not common)
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        named = named.add_extension(signer, critical=False)
        return Identity(_pem(named.sign(self._key, hashes.SHA256())), _private(key))

    def _template(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )


def _usage(*, signs: bool) -> x509.KeyUsage:
    """What a key is for. Python 3.13 takes no authority that does not say so."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def dns(name: str) -> x509.GeneralName:
    """A name of a host."""
    return x509.DNSName(name)


def ip(address: str) -> x509.GeneralName:
    """An address."""
    return x509.IPAddress(ipaddress.ip_address(address))


def uri(name: str) -> x509.GeneralName:
    """A URI, such as a SPIFFE identity."""
    return x509.UniformResourceIdentifier(name)


def email(address: str) -> x509.GeneralName:
    """An email address."""
    return x509.RFC822Name(address)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    unencrypted = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unencrypted)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
