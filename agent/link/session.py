"""One connection to the broker, from connect to end, with paho in its own threads. Never reused; keeps no message.

Everything that happens is put as an `Event` on the inbox; callbacks neither raise nor lock, as an exception in one
kills paho's network thread while `is_connected()` stays true.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from queue import SimpleQueue
from typing import Any, Literal, NamedTuple, ParamSpec

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from agent.link.messages import LIMIT_BYTES
from agent.link.outbox import WINDOW
from agent.link.settings import UplinkSettings

log = logging.getLogger(__name__)

_INBOX_LIMIT = 2000  # events; above it messages from outside are dropped, acknowledgements of the broker never
_PACKET_ROOM = 4096  # topic and properties beside a payload

P = ParamSpec("P")

What = Literal["opened", "connack", "suback", "puback", "message", "ended", "guard", "catalogue"]


class Event(NamedTuple):
    """Something that the sender must know. `number`: packet id or serial; `reason`: MQTT reason code."""

    session: int
    what: What
    number: int = 0
    reason: int = 0
    text: str = ""
    content: Any = None


class Incoming(NamedTuple):
    """A message that came in, as it was on the wire."""

    topic: str
    payload: bytes
    retain: bool
    response_topic: str | None
    correlation: bytes | None


class BrokerLimits(NamedTuple):
    """What the broker said it takes."""

    packet_bytes: int | None  # None: no limit
    unacknowledged: int  # messages at QoS 1


Inbox = SimpleQueue[Event]


def _guarded(callback: Callable[P, None]) -> Callable[P, None]:
    @wraps(callback)
    def safe(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            callback(*args, **kwargs)
        except Exception:  # an exception here would end paho's thread without a word
            log.exception("in %s", callback.__name__)

    return safe


class Session:
    """One attempt to connect and, if it succeeds, the connection. `number` is the session number of its last will."""

    def __init__(
        self, settings: UplinkSettings, number: int, version: MQTTProtocolVersion, will: tuple[str, bytes], inbox: Inbox
    ) -> None:
        self.number = number
        self.version = version
        self.dropped = 0  # messages from outside that found the inbox full
        self._settings = settings
        self._inbox = inbox
        self._v5 = version == MQTTProtocolVersion.MQTTv5
        self._error = ""
        self._client = client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id or settings.site,
            protocol=version,
            reconnect_on_failure=False,
            clean_session=None if self._v5 else True,
        )
        client.connect_timeout = settings.connect_timeout_s
        # The window is ours: paho must neither hold back nor queue anything.
        client.max_inflight_messages_set(2 * WINDOW)
        client.max_queued_messages_set(2 * WINDOW)
        client.will_set(will[0], will[1], qos=1, retain=True)
        client.on_connect = _guarded(self._on_connect)
        client.on_disconnect = _guarded(self._on_disconnect)
        client.on_publish = _guarded(self._on_publish)
        client.on_subscribe = _guarded(self._on_subscribe)
        client.on_message = _guarded(self._on_message)
        self._thread = threading.Thread(target=self._run, name=f"link-session-{number}", daemon=True)

    # --- for the sender

    def start(self) -> None:
        """Begin to connect, in a thread: names may resolve slowly and a TLS handshake may stall."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether its threads still run."""
        return self._thread.is_alive()

    def subscribe(self, topics: list[str]) -> None:
        """Subscribe at QoS 1; where the broker can, without what it retained."""
        if self._v5:
            options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
            self._client.subscribe([(topic, options) for topic in topics])
        else:
            self._client.subscribe([(topic, 1) for topic in topics])

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, correlation: bytes | None = None) -> int:
        """Hand a message over at QoS 1; gives back the packet id its acknowledgement will carry, 0 if it was not taken.

        Never blocks for longer than paho's own short locks.
        """
        properties = None
        if correlation is not None and self._v5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.CorrelationData = correlation
        info = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        return info.mid if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else 0

    def close(self) -> None:
        """End in order: the broker forgets the last will."""
        self._client.disconnect()

    def drop(self) -> None:
        """Cut the line: for a connection that no longer moves. The broker, if it is there, publishes the last will."""
        line = self._client.socket()
        if isinstance(line, socket.socket):
            with suppress(OSError, ValueError):
                # Not SSLSocket.shutdown, which takes the TLS state away under the feet of paho's thread.
                socket.socket.shutdown(line, socket.SHUT_RDWR)

    # --- its threads

    def _run(self) -> None:
        settings, client = self._settings, self._client
        try:
            if settings.tls:
                client.tls_set_context(_tls_context(settings))
            if settings.username is not None:
                password = settings.password_file.read_text().strip() if settings.password_file else None
                client.username_pw_set(settings.username, password)
            if self._v5:
                wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
                wishes.MaximumPacketSize = LIMIT_BYTES + _PACKET_ROOM
                client.connect(settings.host, settings.port, settings.keepalive_s, clean_start=True, properties=wishes)
            else:
                client.connect(settings.host, settings.port, settings.keepalive_s)
            self._tell("opened")
            client.loop_start()
            network = client._thread  # noqa: SLF001 - its end is the one thing paho does not tell
            if network is not None:
                network.join()
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError; UnicodeError a ValueError
            self._error = f"{type(error).__name__}: {error}"
        finally:
            self._tell("ended", text=self._error)

    def _tell(self, what: What, number: int = 0, reason: int = 0, text: str = "", content: Any = None) -> None:
        self._inbox.put(Event(self.number, what, number, reason, text, content))

    def _on_connect(self, _client: Client, _data: Any, _flags: Any, reason: ReasonCode, properties: Any) -> None:
        # paho keeps neither limit of the broker by itself.
        limits = BrokerLimits(
            getattr(properties, "MaximumPacketSize", None), getattr(properties, "ReceiveMaximum", WINDOW)
        )
        self._tell("connack", reason=reason.value, text=str(reason), content=limits)

    def _on_disconnect(self, _client: Client, _data: Any, flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if reason.value and not self._error:  # paho calls twice: first with the broker's own word
            self._error = str(reason)
            if flags.is_disconnect_packet_from_server:
                self._error = f"broker: {reason} ({reason.value})"

    def _on_publish(self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        self._tell("puback", mid, reason.value, str(reason))

    def _on_subscribe(self, _client: Client, _data: Any, mid: int, reasons: list[ReasonCode], _properties: Any) -> None:
        worst = max((reason.value for reason in reasons), default=0)
        self._tell("suback", mid, worst)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if self._inbox.qsize() > _INBOX_LIMIT:
            self.dropped += 1
            return
        properties = message.properties
        incoming = Incoming(
            message.topic,
            bytes(message.payload) if len(message.payload) <= LIMIT_BYTES else b"",
            message.retain,
            getattr(properties, "ResponseTopic", None),
            getattr(properties, "CorrelationData", None),
        )
        self._tell("message", content=incoming)


def _tls_context(settings: UplinkSettings) -> ssl.SSLContext:
    # Server name and chain are always checked: there is no setting to switch that off.
    context = ssl.create_default_context(cafile=settings.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.cert is not None:
        context.load_cert_chain(settings.cert, settings.key)
    return context
