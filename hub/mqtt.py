"""The hub's link to its broker: MQTT 5, a lasting session, and an acknowledgement only for what is durable.

paho's thread does one thing: it puts what came into an inbox. This module's one thread, the ledger's, takes it out in
batches. An exception in one of paho's callbacks would end its thread without a word, so nothing in them can raise.
Every connection has a paho client of its own: what an old one still held in memory cannot be acknowledged or sent on
a new one. The broker delivers again what was not acknowledged, and copies are harmless.
"""

import random
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Semaphore
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
from wire.errors import OurFault
from wire.log import Log
from wire.topics import FROM_UNITS, subscription

SESSION_SECONDS = 7 * 24 * 3600
"""How long the broker keeps the hub's session, and what came meanwhile, while the hub is away."""

KEEPALIVE_SECONDS = 30
_CONNECT_SECONDS = 10
_WAIT_SECONDS_FIRST = 1.0
_WAIT_SECONDS_MAX = 30.0
_LINGERS_MAX = 20
"""How many times over a batch lingers when one publication follows another."""

_UNSENT_MAX = 4096
"""How many answers may wait for the broker; beyond that they are dropped, for a unit asks again."""


@dataclass(frozen=True, slots=True)
class _Came:
    """A publication that came, and the number to acknowledge it by."""

    number: int
    topic: str
    content: bytes


@dataclass(frozen=True, slots=True)
class _Up:
    """Connected, and subscribed."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """The broker said no; the connection ends."""

    why: str


@dataclass(frozen=True, slots=True)
class _Down:
    """The connection has ended."""

    why: str


@dataclass(frozen=True, slots=True)
class _Stop:
    """The hub is asked to end."""


_Word = _Came | _Up | _Refused | _Down | _Stop


class Link:
    """The hub at its broker.

    Args:
        settings: the broker, the hub's name and deployment, how large a batch is and how long it waits.
        take: what to do with a batch; what it answers is published, and only then the batch is acknowledged.
        log: where to tell how the link is.

    Raises:
        OurFault: the TLS files cannot be used.
    """

    def __init__(self, settings: Settings, take: Callable[[list[tuple[str, bytes]]], Answers], log: Log) -> None:
        self._settings = settings
        self._take = take
        self._log = log
        # Unlike queue.Queue it may be put into by a signal's function; `_room` bounds it.
        self._inbox: SimpleQueue[_Word] = SimpleQueue()
        self._window = 2 * settings.batch
        # The receive maximum alone does not bound what comes: Mosquitto 2.0.11 keeps it only until the first
        # acknowledgement, and then sends all it has (measured). So paho's thread waits, and TCP holds the broker back.
        self._room = Semaphore(self._window)
        self._closing = False
        self._stopping = False
        self._tls = _tls(settings) if settings.broker.tls else None
        self._came_up = False

    def stop(self) -> None:
        """Asks `run` to end after the batch at hand; may be called from a signal's function."""
        self._inbox.put(_Stop())

    def run(self) -> None:
        """Connects, takes batches, and connects again, until it is asked to stop."""
        failures = 0
        while not self._stopping:
            self._came_up = False
            why = self._one_connection()
            if self._stopping:
                return
            failures = 0 if self._came_up else failures + 1
            # Full jitter: hubs and units that a broker's restart has cut off do not come back all at once.
            wait = random.uniform(0, min(_WAIT_SECONDS_MAX, _WAIT_SECONDS_FIRST * 2 ** min(failures, 8)))  # noqa: S311
            self._log(Event.LINK_DOWN, why=why, seconds=round(wait, 1))
            self._rest(wait)

    def _rest(self, seconds: float) -> None:
        """Waits, unless asked to stop: nothing else can come while there is no connection."""
        try:
            self._stopping = isinstance(self._inbox.get(timeout=seconds), _Stop)
        except Empty:
            pass

    def _drain(self) -> None:
        """Drops what an ended connection left in the inbox: it was not acknowledged, and comes again."""
        while not self._inbox.empty():
            self._stopping |= isinstance(self._inbox.get(), _Stop)

    def _one_connection(self) -> str:
        """From connecting to the end of the connection; returns why it ended."""
        try:
            client = self._client()
            client.connect(
                self._settings.broker.host,
                self._settings.broker.port,
                keepalive=KEEPALIVE_SECONDS,
                clean_start=False,
                properties=self._connect_properties(),
            )
        except (OSError, ValueError) as error:  # paho says ValueError of a host that cannot be one
            return str(error)
        self._room, self._closing = Semaphore(self._window), False
        client.loop_start()
        try:
            return self._serve(client)
        finally:
            self._closing = True
            self._room.release()  # paho's thread may be waiting for room
            client.disconnect()  # sent behind the answers and acknowledgements
            client.loop_stop()
            self._drain()

    def _serve(self, client: paho.Client) -> str:
        while True:
            batch: list[_Came] = []
            end = self._fill(batch)
            if batch:
                answers = self._take([(each.topic, each.content) for each in batch])
                if not isinstance(end, _Down):
                    for topic, answer in answers:
                        client.publish(topic, answer, qos=1)
                    for each in batch:
                        client.ack(each.number, 1)
            match end:
                case _Stop():
                    self._stopping = True
                    return "asked to stop"
                case _Down(why):
                    return why
                case _Refused(why):
                    self._log(Event.BROKER_REFUSED, why=why)
                    client.disconnect()
                case _Up():
                    self._came_up = True
                    self._log(Event.LINK_UP)
                case _:
                    pass

    def _fill(self, batch: list[_Came]) -> _Word | None:
        """Fills a batch, waiting for its first and a little for each next; returns what else came and ended it.

        Nobody waits long for a receipt, but where much comes at once batches are full: paho's thread reads much
        faster while this one does not compete with it for the interpreter.
        """
        linger = self._settings.linger_ms / 1000
        wait: float | None = None
        last = 0.0
        while len(batch) < self._settings.batch:
            try:
                word = self._inbox.get(timeout=wait)
            except Empty:
                break
            if not isinstance(word, _Came):
                return word
            self._room.release()
            batch.append(word)
            last = last or monotonic() + _LINGERS_MAX * linger
            wait = min(linger, max(0.0, last - monotonic()))
        return None

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
        client.max_inflight_messages_set(self._window)
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
        properties.ReceiveMaximum = self._window
        return properties

    # What follows is called by paho's thread.

    def _on_connect(self, client: paho.Client, _user: Any, _flags: Any, reason: ReasonCode, _more: Any) -> None:
        if reason.is_failure:
            self._inbox.put(_Refused(str(reason)))
            return
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        client.subscribe([(subscription(self._settings.deployment, leaf), options) for leaf in FROM_UNITS])

    def _on_subscribe(self, _client: Any, _user: Any, _number: int, reasons: list[ReasonCode], _more: Any) -> None:
        answered = zip(FROM_UNITS, reasons, strict=False)
        refused = [f"{leaf.value}: {reason}" for leaf, reason in answered if reason.is_failure]
        self._inbox.put(_Refused(f"subscription to {', '.join(refused)}") if refused else _Up())

    def _on_publication(self, _client: paho.Client, _user: Any, came: paho.MQTTMessage) -> None:
        # With QoS 0 nothing bounds what comes, and nobody promised that it would: units publish with QoS 1.
        if came.qos != 1 or self._closing:
            return
        self._room.acquire()
        try:
            topic = came.topic
        except UnicodeDecodeError:
            topic = ""  # nobody's: the intake drops it
        self._inbox.put(_Came(came.mid, topic, bytes(came.payload)))

    def _on_disconnect(self, _client: paho.Client, _user: Any, _flags: Any, reason: ReasonCode, _more: Any) -> None:
        self._inbox.put(_Down(str(reason)))


def _send_at_once(_client: paho.Client, _user: Any, sock: Any) -> None:
    """Without this, small publications wait for each other's acknowledgement (Nagle): 11 a second instead of 116."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _tls(settings: Settings) -> ssl.SSLContext:
    tls = settings.broker.tls
    assert tls is not None
    try:
        context = ssl.create_default_context(cafile=settings.base / tls.ca)
        context.load_cert_chain(settings.base / tls.certificate, settings.base / tls.key)
    except OSError as error:
        raise OurFault(f"broker.tls: {error.strerror or error}: give the PEM files of the hub's certificate") from error
    return context
