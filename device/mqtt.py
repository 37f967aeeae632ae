"""The link over MQTT 5: one thread that connects when asked, passes on what comes, and says when it is over.

paho's own queue, thread and reconnecting are not used: a client lives for one connection, nothing is published without
one, and only this thread reads and writes its socket. Its callbacks do little more than post to the inbox.
"""

import queue
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import paho.mqtt.client as mqtt
from paho.mqtt.client import DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from device.dates import NO_CHECK_TIME
from device.ports import Acknowledged, Delivered, LinkDown, LinkUp, Post
from wire.errors import OurFault
from wire.settings import Broker, Tls

WINDOW_MAX = 64
"""How many publications are on their way at most, whatever the broker would take."""

KEEPALIVE_SECONDS = 60
CONNECT_SECONDS_MAX = 15
"""For each of the TCP and TLS handshakes, and again for the broker's answers to what is said then."""

ANSWER_SECONDS_MAX = 120
"""A slow link needs its time for what is on its way; what is still unacknowledged then never will be."""

INCOMING_BYTES_MAX = 262144
"""The longest that the broker is asked to send; one that sends more is left: paho would take 256 MB into memory."""

_BYTES_MAX = 268435455  # MQTT 5.0, 2.1.4: what a packet's length field can say


class MqttLink:
    """A `Link` to ranked MQTT 5 brokers.

    Args:
        brokers: where they are, by rank.
        base: folder that the TLS files' paths are relative to.
        client_id: the unit's name.
        subscription: the topic that is subscribed to before `LinkUp` is posted.
        post: the inbox.

    Raises:
        OurFault: the TLS files cannot be used.
    """

    def __init__(self, brokers: Sequence[Broker], base: Path, client_id: str, subscription: str, post: Post) -> None:
        self._base = base
        self._contexts: dict[tuple[Tls, str], ssl.SSLContext] = {}
        self._brokers: list[tuple[Broker, ssl.SSLContext | None]] = []
        self.reach(brokers)
        self._client_id = client_id
        self._subscription = subscription
        self._post = post
        self._client: mqtt.Client | None = None
        self._orders: queue.SimpleQueue[tuple[Broker, ssl.SSLContext | None] | None] = queue.SimpleQueue()
        self._asked = threading.Event()
        self._unanswered: deque[tuple[float, mqtt.MQTTMessageInfo]] = deque()
        self._leaving = threading.Event()
        self._left = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._thread.start()

    def connect(self, rank: int) -> None:
        """Asks for a connection to the broker of that rank; does nothing while there is one or one is being made."""
        if not self._asked.is_set():
            self._asked.set()
            self._orders.put(self._brokers[rank])

    def reach(self, brokers: Sequence[Broker]) -> None:
        """These are the brokers from now on, by rank; a connection that there is, or that is being made, stays."""
        self._brokers = [(broker, self._tls(broker)) for broker in brokers]

    def publish(self, topic: str, payload: bytes) -> int | None:
        """Publishes with QoS 1; None when there is no connection."""
        client = self._client
        if client is None or not client.is_connected():
            return None
        published = client.publish(topic, payload, qos=1)
        if published.rc != mqtt.MQTT_ERR_SUCCESS:
            return None
        self._unanswered.append((time.monotonic(), published))
        return published.mid

    def leave(self) -> None:
        """Ends the connection, if there is one."""
        client = self._client
        if client is not None:
            self._leaving.set()  # first: the broker may hang up before `disconnect` is back
            client.disconnect()
            self._left.set()

    def close(self) -> None:
        """Ends the connection for good."""
        self._closing.set()
        self._orders.put(None)
        self.leave()
        self._thread.join(CONNECT_SECONDS_MAX + 5)

    def _run(self) -> None:
        while (order := self._orders.get()) is not None and not self._closing.is_set():
            try:
                why = self._one_connection(*order)
            except Exception as error:  # noqa: BLE001  whatever it is ends the connection, not the thread
                why = f"{type(error).__name__}: {error}"
            self._client = None
            self._asked.clear()
            self._post(LinkDown("closed here" if self._closing.is_set() else why))

    def _one_connection(self, broker: Broker, tls: ssl.SSLContext | None) -> str:
        """Connects and stays until it is over; why it is over."""
        ended: list[str] = []
        self._unanswered.clear()
        self._leaving.clear()
        self._left.clear()
        client = self._new_client(broker, tls, ended)
        properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = INCOMING_BYTES_MAX
        host, port = broker.host, broker.port
        try:
            client.connect(host, port, KEEPALIVE_SECONDS, clean_start=True, properties=properties)
        except Exception as error:  # noqa: BLE001  OSError, or whatever TLS and name look-up raise
            return f"cannot connect to {host}:{port}: {error}"
        with cast(socket.socket, client.socket()) as plug:
            plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answered_by = time.monotonic() + CONNECT_SECONDS_MAX
            try:
                while client.loop(timeout=1.0) == mqtt.MQTT_ERR_SUCCESS and not self._is_over():
                    if why := _too_much(client):
                        return why
                    if self._client is None and time.monotonic() > answered_by:
                        return f"the broker did not answer within {CONNECT_SECONDS_MAX} s"
                    while self._unanswered and self._unanswered[0][1].is_published():
                        self._unanswered.popleft()
                    if self._unanswered and time.monotonic() > self._unanswered[0][0] + ANSWER_SECONDS_MAX:
                        return f"the broker did not acknowledge a publication within {ANSWER_SECONDS_MAX} s"
            except Exception as error:  # noqa: BLE001  whatever paho makes of rubbish ends the connection, not the thread
                return f"the broker speaks rubbish: {type(error).__name__}: {error}"
        if self._leaving.is_set():
            return "left from here"
        return ended[0] if ended else "the connection was lost"

    def _tls(self, broker: Broker) -> ssl.SSLContext | None:
        """How to speak to a broker; made once for each hub, so that its files are read at the start only."""
        if broker.tls is None:
            return None
        key = (broker.tls, broker.hub)
        if key not in self._contexts:
            self._contexts[key] = _context(broker, broker.tls, self._base)
        return self._contexts[key]

    def _is_over(self) -> bool:
        return self._left.is_set() or self._closing.is_set()

    def _new_client(self, broker: Broker, tls: ssl.SSLContext | None, ended: list[str]) -> mqtt.Client:
        """A client for one connection; why that ends is appended to `ended`."""
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=mqtt.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_SECONDS_MAX
        client.max_inflight_messages_set(WINDOW_MAX)
        # Without this, publish() would write from its caller's thread, and bytes of two publications could mix.
        client.on_socket_register_write = lambda _c, _u, _s: None
        if tls is not None:
            client.tls_set_context(tls)
        if broker.username:
            client.username_pw_set(broker.username, broker.password)
        up: list[LinkUp] = []

        def connected(c: mqtt.Client, _u: Any, _f: Any, reason: ReasonCode, properties: Properties | None) -> None:
            if reason.is_failure:
                ended.append(f"the broker refuses: {reason}")
                c.disconnect()
                return
            window = getattr(properties, "ReceiveMaximum", WINDOW_MAX)
            up.append(LinkUp(min(window, WINDOW_MAX), getattr(properties, "MaximumPacketSize", _BYTES_MAX)))
            c.subscribe(self._subscription, qos=1)

        def subscribed(c: mqtt.Client, _u: Any, _m: int, reasons: list[ReasonCode], _p: Any) -> None:
            if any(reason.is_failure for reason in reasons):
                ended.append(f"the broker refuses the subscription: {reasons[0]}")
                c.disconnect()
            elif self._client is None:
                self._client = c
                self._post(up[0])

        def published(_c: Any, _u: Any, token: int, reason: ReasonCode, _p: Any) -> None:
            self._post(Acknowledged(token, str(reason) if reason.is_failure else ""))

        def delivered(_c: Any, _u: Any, came: mqtt.MQTTMessage) -> None:
            self._post(Delivered(came.topic, bytes(came.payload)))

        def disconnected(_c: Any, _u: Any, flags: DisconnectFlags, reason: ReasonCode, _p: Any) -> None:
            if flags.is_disconnect_packet_from_server:
                ended.append(f"the broker ended it: {reason}")
            elif str(reason) == "Keep alive timeout":
                ended.append("the broker fell silent")

        client.on_connect, client.on_subscribe, client.on_publish = connected, subscribed, published
        client.on_message, client.on_disconnect = delivered, disconnected
        return client


def _too_much(client: mqtt.Client) -> str:
    """What a broker sends that would fill the memory, in words; paho has no limits, nor a public place for any."""
    coming = client._in_packet["remaining_length"]
    if coming > INCOMING_BYTES_MAX:
        return f"the broker sends {coming} bytes at once, though it was asked for no more than {INCOMING_BYTES_MAX}"
    if client._in_messages:  # kept until their end is agreed on, any number of them
        return "the broker sends with QoS 2, which was not subscribed to"
    return ""


class _OfHub(ssl.SSLContext):
    """Asks of a broker's certificate that it bears a hub's name, wherever that hub is now.

    It does not say that name before, as TLS else would, in clear: whoever watches could tell and cut off by it.
    """

    hub = ""

    def wrap_socket(self, sock: socket.socket, *more: Any, **named: Any) -> ssl.SSLSocket:
        """As ever, without the name of a server."""
        return super().wrap_socket(sock, *more, **(named | {"server_hostname": None}))


class _Named(ssl.SSLSocket):
    """Ends a handshake with whoever is not of that hub."""

    def do_handshake(self, block: bool = False) -> None:
        """As ever; the chain is verified in it, and the name after it."""
        try:
            super().do_handshake(block)
            certificate = cast(dict[str, Any], self.getpeercert())
            hub = cast(_OfHub, self.context).hub
            if ("DNS", hub) not in certificate.get("subjectAltName", ()):
                raise ssl.SSLCertVerificationError(f"the broker's certificate is not of {hub}")
        except OSError:
            self.close()  # paho leaves it open
            raise


def _of_hub(hub: str) -> _OfHub:
    context = _OfHub(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # `_Named` does
    context.sslsocket_class = _Named
    context.hub = hub
    return context


def _context(broker: Broker, tls: Tls, base: Path) -> ssl.SSLContext:
    try:
        if broker.hub:
            context: ssl.SSLContext = _of_hub(broker.hub)
            context.load_verify_locations(str(base / tls.ca))
        else:
            context = ssl.create_default_context(cafile=str(base / tls.ca))
        context.load_cert_chain(base / tls.certificate, base / tls.key)
    except (OSError, ssl.SSLError) as error:
        raise OurFault(
            f"brokers: {broker.host}:{broker.port}: tls: {error}: check the files ca, certificate and key"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= NO_CHECK_TIME
    return context
