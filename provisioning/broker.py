"""The broker: how a Mosquitto is set up that lets in who belongs to a deployment, each to its own topics."""

from collections.abc import Sequence
from pathlib import PurePath

from wire.topics import Leaf

PORT = 8883

SENT_BYTES_MAX = 256 * 1024
"""The longest publication has 192 KB."""

QUEUED_MAX = 100_000
"""For a hub that is away: an evening of all units of a region; what is beyond is lost here, and waits on the units."""

QUEUED_BYTES_MAX = 1024**3
"""Mosquitto keeps it in memory: one hostile unit fills it while the hub is away, and the machine must outlive that."""

SESSION_DAYS_MAX = 7
"""As long as a hub asks for (`hub.mqtt.SESSION_SECONDS`); others may ask for 136 years."""


def configuration(at: PurePath) -> list[str]:
    """The lines of a configuration, to follow the one that names the listener.

    Args:
        at: the folder on the broker's machine where the files of this one lie.
    """
    return [
        "# Only who has a certificate of the authority; its name there is its name here, whatever it calls itself.",
        "tls_version tlsv1.3",
        f"cafile {at / 'ca.pem'}",
        f"certfile {at / 'broker.pem'}",
        f"keyfile {at / 'broker.key'}",
        f"crlfile {at / 'crl.pem'}",
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",
        "allow_anonymous false",
        f"acl_file {at / 'access'}",
        "# Nothing stays here for good: not retained, nor begun with QoS 2 and never ended, nor in an endless session.",
        "retain_available false",
        "max_qos 1",
        f"persistent_client_expiration {SESSION_DAYS_MAX}d",
        "# Hubs say how much they take at once; units are told here how long a packet may be.",
        f"max_packet_size {SENT_BYTES_MAX}",
        "max_inflight_messages 0",
        f"max_queued_messages {QUEUED_MAX}",
        f"max_queued_bytes {QUEUED_BYTES_MAX}",
        "# No line says who connected from where.",
        "connection_messages false",
        "log_type error",
        "log_type warning",
    ]


def access(deployment: str, hubs: Sequence[str], revoked: Sequence[str]) -> str:
    """Who may read and write which topics: a unit its own, in one direction each; hubs those of all units.

    Who is revoked may do nothing: the list of the revoked does not end a session that is open.
    """
    base = f"testigo/1/{deployment}"
    leaves = {Leaf.ENVELOPE: "", Leaf.CHUNK: "/+/+", Leaf.HOLDING: "", Leaf.BEAT: "", Leaf.RECEIPT: ""}
    assert set(leaves) == set(Leaf)
    lines = []
    for leaf, rest in leaves.items():
        way = "read" if leaf is Leaf.RECEIPT else "write"
        lines.append(f"pattern {way} {base}/%u/{leaf.value}{rest}")
    for hub in hubs:
        lines.append(f"user {hub}")
        for leaf, rest in leaves.items():
            way = "write" if leaf is Leaf.RECEIPT else "read"
            lines.append(f"topic {way} {base}/+/{leaf.value}{rest}")
    for name in revoked:
        lines += [f"user {name}", "topic deny #"]
    return "\n".join(lines) + "\n"
