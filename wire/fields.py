"""The fields: types that several statements share, each with its bounds."""

from typing import Annotated

from msgspec import Meta

INTEGER_MAX = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""

NOTHING = "0" * 64
"""The hash before the first: what `prev` and `hash` hold when there is none yet."""

Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
ChainId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
Name = Annotated[str, Meta(pattern=r"\A[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?\Z")]
Natural = Annotated[int, Meta(ge=0, le=INTEGER_MAX)]
Positive = Annotated[int, Meta(ge=1, le=INTEGER_MAX)]
Word = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9.+-]{0,63}\Z")]
Sentence = Annotated[str, Meta(max_length=400)]
Host = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9.:-]{0,252}\Z")]
Port = Annotated[int, Meta(ge=1, le=65535)]
