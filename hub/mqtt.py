"""The hub's link to its broker: MQTT 5, a lasting session, and an acknowledgement only for what is durable.

One thread does all: it reads a batch, has it taken, answers, acknowledges, and reads on. A second one of paho's would
compete for the interpreter and for the socket. What is not read yet waits in TCP, so nothing piles up here. Every
connection has a paho client of its own: what an old one still held in memory cannot be acknowledged or sent on
a new one. The broker delivers again what was not acknowledged, and copies are harmless.
"""

import math
import random
import socket
import ssl
from collections.abc import Callable
from select import select
from time import monotonic
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from hub.intake import Answers
from hub.log import Event
from hub.settings import Settings
from hub.turn import READ_MAX, Came, Turn
from wire.errors import OurFault
from wire.log import Log
from wire.topics import FROM_UNITS, subscription

SESSION_SECONDS = 7 * 24 * 3600
"""How long the broker keeps the hub's session, and what came meanwhile, while the hub is away."""

KEEPALIVE_SECONDS = 30
_CONNECT_SECONDS = 10
_WAIT_SECONDS_FIRST = 1.0
_WAIT_SECONDS_MAX = 30.0
_STEADY_SECONDS = 10.0
"""A connection that lasted as long was a good one: the next attempt is made at once."""

_MISC_SECONDS = 1.0
"""How often, at least, paho looks after the keepalive."""

_LINGERS_MAX = 20
"""How many times over a batch lingers when one publication follows another."""

_SESSION_TAKEN_OVER = 0x8E
"""MQTT 5, 3.14.2.1: another client connected with our client id. Mosquitto 2.0.11 closes without saying so."""

_UNSENT_MAX = 4096
"""How many answers may wait for the broker; beyond that they are dropped, for a unit asks again."""


class Link:
    """The hub at its broker.

    Args:
        settings: the broker, the hub's name and deployment, how large a batch is and how long it waits.
        take: what to do with a batch; what it answers is published, and only then the batch is acknowledged.
        news: what else there is to publish; asked each second at least.
        log: where to tell how the link is.

    Raises:
        OurFault: the TLS files cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        take: Callable[[list[tuple[str, bytes]]], Answers],
        log: Log,
        news: Callable[[], Answers] = list,
    ) -> None:
        self._settings = settings
        self._take = take
        self._news = news
        self._log = log
        self._told, self._tell = socket.socketpair()
        self._stopping = False
        self._tls = _tls(settings) if settings.broker.tls else None
        self._turn = Turn(settings.batch)
        self._ended = ""
        self._up_since = math.inf
        self._taking = False

    def stop(self) -> None:
        """Asks `run` to end after the batch at hand; may be called from a signal's function."""
        self._stopping = True
        if self._tell.fileno() >= 0:  # it is closed once `run` has ended
            self._tell.send(b"!")

    def run(self) -> None:
        """Connects, takes batches, and connects again, until it is asked to stop.

        Raises:
            Exception: whatever `take` raised: no new connection mends a ledger that is lost or a disk that is full.
        """
        with self._told, self._tell:
            self._connect_and_again()

    def _connect_and_again(self) -> None:
        failures = 0
        while not self._stopping:
            self._ended, self._up_since = "", math.inf
            self._turn = Turn(self._settings.batch)
            self._one_connection()
            if self._stopping:
                return
            # Two clients of one name that end each other's connections do so ever more seldom.
            failures = 0 if monotonic() - self._up_since >= _STEADY_SECONDS else failures + 1
            # Full jitter: hubs and units that a broker's restart has cut off do not come back all at once.
            wait = random.uniform(0, min(_WAIT_SECONDS_MAX, _WAIT_SECONDS_FIRST * 2 ** min(failures, 8)))  # noqa: S311
            self._log(Event.LINK_DOWN, why=self._ended, next_ms=round(wait * 1000))
            select([self._told], [], [], wait)

    def _one_connection(self) -> None:
        """From connecting to the end of the connection; `_ended` says why it ended."""
        broker = self._settings.broker
        client = self._client()
        try:
            try:
                properties = self._connect_properties()
                client.connect(broker.host, broker.port, KEEPALIVE_SECONDS, clean_start=False, properties=properties)
            except OSError as error:
                self._end(f"cannot connect to {broker.host}:{broker.port}: {error.strerror or error}")
                return
            while not self._ended and not self._stopping:
                self._fill(client)
                self._answer(client)
                if self._up_since < math.inf:
                    for topic, news in self._news():
                        client.publish(topic, news, qos=1)
            client.disconnect()
            self._send_rest(client)
        except Exception as error:  # whatever paho makes of what came in ends the connection, not the hub
            if self._taking:
                raise
            self._end(f"{type(error).__name__}: {error}")
        finally:
            plug = client.socket()
            if plug is not None:
                plug.close()

    def _fill(self, client: paho.Client) -> None:
        """Fills a turn, waiting for its first and a little for each next.

        Nobody waits long for a receipt, but where much comes at once turns are full. What is not read waits in TCP.
        """
        linger = self._settings.linger_ms / 1000
        last = 0.0
        while not self._ended and not self._turn.is_full:
            plug: Any = client.socket()
            buffered = self._tls is not None and plug.pending() > 0
            wait = 0.0 if buffered else min(linger, max(0.0, last - monotonic())) if self._turn else _MISC_SECONDS
            readable, writable, _ = select([plug, self._told], [plug] if client.want_write() else [], [], wait)
            if self._told in readable:
                return
            if writable:
                client.loop_write()
            if plug in readable or buffered:
                self._read(client)
            elif self._turn:
                return
            if not self._turn:
                client.loop_misc()
            elif not last:
                last = monotonic() + _LINGERS_MAX * linger

    def _read(self, client: paho.Client) -> None:
        """Reads on while reading brings something, to the end of the turn."""
        before = -1
        while before < len(self._turn) and not self._turn.is_full and not self._ended:
            before = len(self._turn)
            if client.loop_read() != paho.MQTT_ERR_SUCCESS:
                self._end("the connection was lost")

    def _answer(self, client: paho.Client) -> None:
        """Has the turn taken; what it answers is published, and only then it is acknowledged."""
        turn, self._turn = self._turn, Turn(self._settings.batch)
        if not turn:
            return
        batch = turn.taken()
        self._tell_of(turn)
        self._taking = True
        answers = self._take([(each.topic, each.content) for each in batch]) if batch else []
        self._taking = False
        for topic, answer in answers:
            client.publish(topic, answer, qos=1)
        for number in turn.numbers:
            client.ack(number, 1)
        client.loop_misc()

    def _tell_of(self, turn: Turn) -> None:
        if turn.oversized:
            self._log(Event.TOO_LARGE, count=turn.oversized)
        for unit, count in turn.let_go.most_common(1):
            self._log(Event.CROWDED, unit=unit, count=count, of=len(turn))

    def _send_rest(self, client: paho.Client) -> None:
        """Gives what is still to be sent a moment to go."""
        plug = client.socket()
        end = monotonic() + _CONNECT_SECONDS
        while plug is not None and client.want_write() and monotonic() < end:
            select([], [plug], [], 1.0)
            client.loop_write()

    def _client(self) -> paho.Client:
        broker = self._settings.broker
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"hub-{self._settings.name}",
            protocol=paho.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = _CONNECT_SECONDS
        client.max_queued_messages_set(_UNSENT_MAX)
        client.max_inflight_messages_set(_UNSENT_MAX)
        if broker.username:
            client.username_pw_set(broker.username, broker.password)
        if self._tls:
            client.tls_set_context(self._tls)
        client.on_socket_open = _send_at_once
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_publication
        client.on_disconnect = self._on_disconnect
        return client

    def _connect_properties(self) -> Properties:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_SECONDS
        # How large a publication may be is for the broker to say to all (its `max_packet_size`): asked by one
        # subscriber, Mosquitto 2.0.11 drops what is larger and never takes it out of that subscriber's window, which so
        # fills up and stands still (measured).
        # A whole turn, and what comes while it is taken; the broker's own limit (Mosquitto: `max_inflight_messages`,
        # 20 unless set) must be as high, for a flood is told from the others only as far as it is read.
        properties.ReceiveMaximum = (READ_MAX + 1) * self._settings.batch
        return properties

    # What follows is called by paho, within `connect`, `_read` and `loop_misc`.

    def _on_connect(self, client: paho.Client, _user: Any, _flags: Any, reason: ReasonCode, _more: Any) -> None:
        if reason.is_failure:
            self._refused(str(reason))
            return
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        client.subscribe([(subscription(self._settings.deployment, leaf), options) for leaf in FROM_UNITS])

    def _on_subscribe(self, _client: Any, _user: Any, _number: int, reasons: list[ReasonCode], _more: Any) -> None:
        answered = zip(FROM_UNITS, reasons, strict=False)
        refused = [f"{leaf.value}: {reason}" for leaf, reason in answered if reason.is_failure]
        if refused:
            self._refused(f"subscription to {', '.join(refused)}")
        else:
            self._up_since = monotonic()
            self._log(Event.LINK_UP)

    def _refused(self, why: str) -> None:
        self._log(Event.BROKER_REFUSED, why=why)
        self._end(f"the broker refuses: {why}")

    def _on_publication(self, _client: paho.Client, _user: Any, came: paho.MQTTMessage) -> None:
        # With QoS 0 nobody promised that it would come: units publish with QoS 1.
        if came.qos != 1:
            return
        try:
            topic = came.topic
        except UnicodeDecodeError:
            topic = ""  # nobody's: the intake drops it
        self._turn.add(Came(came.mid, topic, bytes(came.payload)))

    def _on_disconnect(self, _client: paho.Client, _user: Any, _flags: Any, reason: ReasonCode, _more: Any) -> None:
        if reason.value == _SESSION_TAKEN_OVER:
            self._log(Event.TAKEN_OVER, client=f"hub-{self._settings.name}")
        self._end("the connection was lost" if reason.getName() == "Unspecified error" else str(reason))

    def _end(self, why: str) -> None:
        """The connection ends, for the first reason given."""
        self._ended = self._ended or why


def _send_at_once(_client: paho.Client, _user: Any, sock: Any) -> None:
    """Without this, small publications wait for each other's acknowledgement (Nagle): 11 a second instead of 116."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class _OfHub(ssl.SSLContext):
    """Asks of the broker's certificate that it bears a hub's name, wherever that broker is now."""

    hub = ""

    def wrap_socket(self, sock: socket.socket, *more: Any, **named: Any) -> ssl.SSLSocket:
        """As ever, but for the name."""
        return super().wrap_socket(sock, *more, **(named | {"server_hostname": self.hub}))


def _tls(settings: Settings) -> ssl.SSLContext:
    tls = settings.broker.tls
    assert tls is not None
    hub = settings.broker.hub
    try:
        if hub:
            of_hub = _OfHub(ssl.PROTOCOL_TLS_CLIENT)
            of_hub.hub = hub
            context: ssl.SSLContext = of_hub
            context.load_verify_locations(settings.base / tls.ca)
        else:
            context = ssl.create_default_context(cafile=settings.base / tls.ca)
        context.load_cert_chain(settings.base / tls.certificate, settings.base / tls.key)
    except OSError as error:
        raise OurFault(f"broker.tls: {error.strerror or error}: give the PEM files of the hub's certificate") from error
    return context
