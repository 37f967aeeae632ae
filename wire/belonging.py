"""The belonging: the authority's signed word on who belongs to a deployment now, for hubs and their brokers.

    testigo/belonging/1
    {"deployment":"trial","files":{"access":"...","crl.pem":"...",...},"number":12}
    <blank line>
    — packages 3qJ7...

It names the files that it is carried with by their SHA-256, so none of them can be changed, exchanged or left out on
the way, and its number rises, so that nobody who was revoked comes back with an older set. docs/wire.md is the
specification.
"""

from typing import Annotated, ClassVar

from msgspec import Meta

from wire.fields import Hash, Name, Positive
from wire.note import Statement
from wire.package import SIGNER

FILE = "belonging.note"
"""What the file is called that holds it."""

REGISTER, CRL, ACCESS, REVOKED = "register.txt", "crl.pem", "access", "revoked.txt"
"""The units' keys, for the hub; certificates that are no good any more, who may what, and whom to put out."""

FILES = (ACCESS, CRL, REGISTER, REVOKED)


class Belonging(Statement, frozen=True, kw_only=True):
    """What an authority states of who belongs.

    Attributes:
        deployment: to which.
        files: the SHA-256 of each of `FILES`, by its name.
        number: rises with whatever changes.
    """

    KIND: ClassVar[str] = "testigo/belonging/1"

    deployment: Name
    files: Annotated[dict[str, Hash], Meta(min_length=len(FILES), max_length=len(FILES))]
    number: Positive

    @property
    def author(self) -> str:
        """The authority's key that signs packages."""
        return SIGNER
