"""The settings: TOML text into checked, frozen structs, the same way for units and hubs."""

import difflib
import tomllib
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from wire.errors import OurFault

StructT = TypeVar("StructT", bound=msgspec.Struct)


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """TLS with a client certificate: PEM files, paths relative to the settings file.

    Attributes:
        ca: certificate of whoever signed the broker's.
        certificate: our own, which names us to the broker.
        key: the private key of it.
    """

    ca: str
    certificate: str
    key: str


class Broker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the MQTT broker is.

    Attributes:
        host: its name or address.
        port: its TCP port; 8883 is usual with TLS, 1883 without.
        tls: the section below; without it the connection is plain, which is for loopback and trials only.
        hub: the hub that it belongs to: its certificate must bear that name; without it, the `host`.
        username, password: for a broker that asks for them.
    """

    host: str
    port: Annotated[int, Meta(ge=1, le=65535)]
    tls: Tls | None = None
    hub: str = ""
    username: str = ""
    password: str = ""


def parse(text: str, kind: type[StructT], where: str) -> StructT:
    """Settings from TOML text.

    Args:
        text: the file's text.
        kind: the struct it must fill, with `forbid_unknown_fields`.
        where: the file's name, for what is said of faults.

    Raises:
        OurFault: it is not TOML, a key is missing, unknown (the nearest known one is named) or out of bounds.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OurFault(f"{where}: not TOML: {error}: correct that line") from error
    _check_keys(values, kind, where)
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise OurFault(f"{where}: {error}: correct that setting (docs/settings.md)") from error


def _check_keys(values: dict[str, Any], kind: type[msgspec.Struct], where: str) -> None:
    known = kind.__struct_fields__
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0)
            raise OurFault(f"{where}: there is no setting {key!r}; the nearest is {near[0]!r} (docs/settings.md)")
