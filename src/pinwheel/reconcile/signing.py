"""Signatures with a key that is derived from the deployment's Fernet key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence

from attrs import field, frozen

from pinwheel.core.errors import Refused

_PURPOSE = b"pinwheel capsule, version 1"
_KEY_ID = re.compile("[0-9a-f]{16}")


@frozen
class Key:
    """One signing key. ``id`` names it without giving anything of it away."""

    id: str
    secret: bytes = field(repr=False)

    def sign(self, message: bytes) -> str:
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()

    def stream(self) -> hmac.HMAC:
        """For what is too long for the memory."""
        return hmac.new(self.secret, digestmod=hashlib.sha256)


@frozen
class Keys:
    """All signing keys of a deployment: the first one signs, each one may have signed."""

    keys: tuple[Key, ...]

    @classmethod
    def of(cls, fernet_keys: Sequence[str]) -> Keys:
        return cls(tuple(_derive(text) for text in fernet_keys))

    def __bool__(self) -> bool:
        return bool(self.keys)

    @property
    def first(self) -> Key:
        """
        :raises Refused: there is no Fernet key.
        """
        if not self.keys:
            raise Refused(
                "Cannot sign or trust a capsule",
                found="this deployment has no Fernet key",
                remedy="Set [core] fernet_key, the same one in every image, and repeat",
            )
        return self.keys[0]

    def require(self) -> None:
        """
        :raises Refused: there is no Fernet key.
        """
        _ = self.first

    def named(self, key_id: str) -> Key | None:
        return next((key for key in self.keys if same(key.id, key_id)), None)

    def verify(self, message: bytes, signature: str, key_id: str) -> str | None:
        """None when one of the keys made the signature, else what is wrong, as a clause."""
        if not self.keys:
            return "this deployment has no Fernet key to check its signature with"
        key = self.named(key_id)
        if key is None:
            return unknown_key(key_id)
        return None if same(key.sign(message), signature) else ALTERED


ALTERED = "its content does not match its signature: it was altered or damaged"


def same(one: str, other: str) -> bool:
    """Compare in constant time. Text that was tampered with may hold any character, and differs."""
    return hmac.compare_digest(*(text.encode(errors="surrogatepass") for text in (one, other)))


def unknown_key(key_id: str) -> str:
    """What is wrong with something that names a key that is not ours, as a clause."""
    return "it was signed with another Fernet key" if _KEY_ID.fullmatch(key_id) else ALTERED


def _derive(fernet_key: str) -> Key:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    try:
        material = base64.urlsafe_b64decode(fernet_key.encode())
    except ValueError:
        material = b""
    if len(material) != 32:
        raise Refused(
            "Cannot sign or trust a capsule",
            found="[core] fernet_key holds something that is no Fernet key",
            remedy="A Fernet key is 32 bytes in URL-safe base64; several are separated by commas",
        )
    derived = HKDF(algorithm=SHA256(), length=40, salt=None, info=_PURPOSE).derive(material)
    return Key(derived[32:].hex(), derived[:32])
