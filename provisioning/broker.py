"""The broker: how a Mosquitto is set up that lets in who belongs to a deployment, each to its own topics."""

from collections.abc import Sequence
from importlib import resources
from pathlib import PurePath

from wire.topics import FROM_UNITS, Leaf

PORT = 8883

SENT_BYTES_MAX = 256 * 1024
"""The longest publication has 192 KB."""

QUEUED_MAX = 100_000
"""For a hub that is away: an evening of all units of a region; what is beyond is lost here, and waits on the units."""

QUEUED_BYTES_MAX = 1024**3
"""Mosquitto keeps it in memory: one hostile unit fills it while the hub is away, and the machine must outlive that."""

SESSION_DAYS_MAX = 7
"""As long as a hub asks for (`hub.mqtt.SESSION_SECONDS`); others may ask for 136 years."""


ASKING_SECOND_MAX = 150
"""New connections in a second that get through to Mosquitto, of all addresses together. Units that lost their broker
come back at 63 to 85 (device.route). Mosquitto holds each that stays silent for 94 s, and takes up to 100 KB of what it
says before it is known: 14,100 of them and 2.1 GB at this rate, which LimitNOFILE and MemoryMax of the guide allow."""

ASKING_ADDRESS_MAX = 30
"""The same of one address. A mobile network shows many units, perhaps all, under one: 2,000 behind one address are back
in a minute. Who floods has to do it from five addresses to take all there is; units behind one of these share it."""

BURST_SECONDS = 10
"""So much of each may come at once: the first units of an evening wait for nothing."""

_ADMITTED = "0x01000000"
"""A bit of the connection's mark that no router's own use of marks is known to set."""


def configuration(at: PurePath, deployment: str) -> list[str]:
    """The lines of a configuration, to follow the one that names the listener.

    Args:
        at: the folder on the broker's machine where the files of this one lie.
        deployment: the deployment's name.
    """
    heard = ",".join(leaf.value for leaf in Leaf if leaf not in FROM_UNITS)
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
        "# Nobody fills the memory by what it asks to hear; who is revoked is put out at once.",
        f"plugin {at / 'testigo.so'}",
        f"plugin_opt_base testigo/1/{deployment}",
        f"plugin_opt_heard {heard}",
        f"plugin_opt_revoked {at / 'revoked.txt'}",
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

    Who is revoked may do nothing, also on a connection that was being made as it was revoked.
    """
    base = f"testigo/1/{deployment}"
    ends = {leaf: f"{leaf.value}/+/+" if leaf is Leaf.CHUNK else leaf.value for leaf in Leaf}
    lines = [f"pattern {'write' if leaf in FROM_UNITS else 'read'} {base}/%u/{end}" for leaf, end in ends.items()]
    for hub in hubs:
        lines.append(f"user {hub}")
        lines += [f"topic {'read' if leaf in FROM_UNITS else 'write'} {base}/+/{end}" for leaf, end in ends.items()]
    for name in revoked:
        lines += [f"user {name}", "topic deny #"]
    return "\n".join(lines) + "\n"


def plugin() -> str:
    """The source of the plugin that Mosquitto is given, to be compiled on its machine."""
    return resources.files("provisioning").joinpath("plugin.c").read_text("utf-8")


def limits(port: int) -> str:
    """The rules for nftables: how many may knock at the port before Mosquitto has to answer them.

    A connection counts once its address has answered, so nobody takes others' places by claiming addresses. Whoever is
    beyond a limit is not refused, but left to say it again, as TCP does by itself after a second, and three, and seven.
    """
    of_address = f"limit rate over {ASKING_ADDRESS_MAX}/second burst {ASKING_ADDRESS_MAX * BURST_SECONDS} packets"
    of_all = f"limit rate over {ASKING_SECOND_MAX}/second burst {ASKING_SECOND_MAX * BURST_SECONDS} packets"
    return f"""table inet testigo
delete table inet testigo
table inet testigo {{
  set known4 {{ type ipv4_addr; size 65535; flags dynamic, timeout; timeout 1m; }}
  set known6 {{ type ipv6_addr; size 65535; flags dynamic, timeout; timeout 1m; }}
  chain input {{
    type filter hook input priority filter - 1; policy accept;
    iif != "lo" tcp dport {port} jump asking
  }}
  chain asking {{
    ct mark and {_ADMITTED} != 0 accept
    tcp flags & (fin | syn | rst | ack) == syn accept
    ct state != established drop
    update @known4 {{ ip saddr {of_address} }} drop
    update @known6 {{ ip6 saddr and ffff:ffff:ffff:ffff:: {of_address} }} drop
    {of_all} drop
    ct mark set ct mark or {_ADMITTED} accept
  }}
}}
"""  # noqa: S608  no database is meant
