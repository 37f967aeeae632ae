"""The errors: every one that testigo raises on purpose, and whose fault it is."""


class TestigoError(Exception):
    """Something went wrong; the text is one sentence that says where, what was expected, what was found, what to do."""


class OurFault(TestigoError):
    """This machine is set up or used wrongly; the person at it can mend it."""


class TheirFault(TestigoError):
    """What came in from outside cannot be accepted; nothing here is broken.

    Attributes:
        why: a short code, the same that a hub's signed refusal carries (see docs/wire.md).
    """

    why = "malformed"


class MalformedError(TheirFault):
    """The bytes do not follow the format."""


class UnknownSignerError(TheirFault):
    """The signature line names a key that is not trusted here."""

    why = "unknown-signer"


class BadSignatureError(TheirFault):
    """A trusted key is named, but the signature is not its own."""

    why = "bad-signature"


class NotForUsError(TheirFault):
    """The content is sealed, and not to the key at hand."""

    why = "not-for-us"
