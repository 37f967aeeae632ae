"""The profiles: elections' layouts as data, one TOML file each."""

from importlib.resources import files

import msgspec

from wire.errors import OurFault
from wire.keyed import Keyed
from wire.positional import Positional

_SUFFIX = ".toml"

IDS = tuple(sorted(file.name.removesuffix(_SUFFIX) for file in files(__name__).iterdir() if _SUFFIX in file.name))
"""The profiles that come with testigo."""


def parse(text: str) -> Positional | Keyed:
    """A profile from its TOML text.

    Raises:
        OurFault: it is not well formed, or says something that no layout knows.
    """
    try:
        return msgspec.toml.decode(text, type=Positional | Keyed)
    except msgspec.DecodeError as error:
        raise OurFault(f"the profile cannot be used: {error}: correct its TOML") from error


def named(profile_id: str) -> Positional | Keyed:
    """One of the profiles that come with testigo.

    Raises:
        OurFault: there is none of that id.
    """
    return parse(source(profile_id).decode("utf-8"))


def source(profile_id: str) -> bytes:
    """The TOML text of one of the profiles that come with testigo, as a deployment package carries it.

    Raises:
        OurFault: there is none of that id.
    """
    if profile_id not in IDS:
        raise OurFault(f"there is no profile {profile_id!r}: use one of {', '.join(IDS)}")
    return files(__name__).joinpath(f"{profile_id}{_SUFFIX}").read_bytes()
