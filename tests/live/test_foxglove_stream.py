"""A drive over Foxglove's web socket, for a client that knows nothing but the protocol."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "record"))

import aiohttp
import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from PIL import Image as Pillow
from rich_steps import EXTRAS, rich_step

from carla_saliency.core import DriveStep
from carla_saliency.errors import BadInputError
from carla_saliency.live import foxglove_stream
from carla_saliency.live.foxglove_stream import FoxgloveStream
from carla_saliency.record.extras import Extras
from carla_saliency.record.format import CHANNELS, CONTENTS, nanoseconds

MESSAGE, TIME = 1, 2  # operations of binary messages
WAIT_S = 20


@pytest.fixture
def stream() -> Iterator[FoxgloveStream]:
    made = FoxgloveStream("127.0.0.1", 0, "shipped", lambda line: None, pytest.fail)
    yield made
    made.close()


@dataclass
class Client:
    """Speaks foxglove.sdk.v1."""

    wire: aiohttp.ClientWebSocketResponse
    channels: dict[int, dict[str, Any]]
    times: list[int] = field(default_factory=list)

    async def subscribe(self, *topics: str) -> None:
        wanted = [
            {"id": number, "channelId": number}
            for number, about in self.channels.items()
            if about["topic"] in topics
        ]
        assert len(wanted) == len(topics)
        await self.wire.send_str(json.dumps({"op": "subscribe", "subscriptions": wanted}))

    async def message(self) -> tuple[str, int, Any]:
        """Return topic, log time and message, decoded by nothing but its advertised schema."""
        while True:
            data = (await self.wire.receive(timeout=WAIT_S)).data
            if data[0] == TIME:
                self.times.append(struct.unpack_from("<Q", data, 1)[0])
                continue
            kind, number, time_ns = struct.unpack_from("<BIQ", data)
            assert kind == MESSAGE
            about = self.channels[number]
            pool = DescriptorPool()
            for file in FileDescriptorSet.FromString(base64.b64decode(about["schema"])).file:
                pool.Add(file)
            message = GetMessageClass(pool.FindMessageTypeByName(about["schemaName"]))()
            message.ParseFromString(data[13:])
            return about["topic"], time_ns, message


@asynccontextmanager
async def connected(stream: FoxgloveStream) -> AsyncIterator[Client]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            stream.address.replace("ws:", "http:"), protocols=("foxglove.sdk.v1",)
        ) as wire,
    ):
        hello = json.loads((await wire.receive(timeout=WAIT_S)).data)
        assert (hello["op"], hello["name"]) == ("serverInfo", "shipped")
        assert "clientPublish" not in hello["capabilities"]  # who looks on can't change anything
        told = json.loads((await wire.receive(timeout=WAIT_S)).data)
        assert told["op"] == "advertise"
        yield Client(wire, {about["id"]: about for about in told["channels"]})


def given(stream: FoxgloveStream, step: DriveStep, *topics: str) -> tuple[Client, dict[str, Any]]:
    """Return what a client that wants some topics is sent of a step that is shown on and on."""

    async def look() -> tuple[Client, dict[str, Any]]:
        found: dict[str, Any] = {}
        async with connected(stream) as client:
            await client.subscribe(*topics)
            while set(found) != set(topics):
                stream.add(step, EXTRAS)
                topic, time_ns, message = await first_of(client, lambda: stream.add(step, EXTRAS))
                assert time_ns == nanoseconds(step.observation.frame.sim_s)
                found[topic] = message
        return client, found

    return asyncio.run(look())


async def first_of(client: Client, again: Callable[[], None]) -> tuple[str, int, Any]:
    """Return the next message; the step is shown again until the subscription has arrived."""
    waiting = asyncio.ensure_future(client.message())
    while not waiting.done():
        await asyncio.sleep(0.02)
        again()
    return waiting.result()


def test_the_topics_and_schemas_are_those_of_a_record(stream: FoxgloveStream) -> None:
    async def look() -> dict[str, tuple[str, str, str, bytes]]:
        async with connected(stream) as client:
            return {
                about["topic"]: (
                    about["encoding"],
                    about["schemaEncoding"],
                    about["schemaName"],
                    base64.b64decode(about["schema"]),
                )
                for about in client.channels.values()
            }

    assert asyncio.run(look()) == {
        about.topic: ("protobuf", "protobuf", about.schema.name, about.schema.data)
        for about in CHANNELS
        if about is not CONTENTS
    }


def test_picture_steering_and_map_are_those_of_the_step(stream: FoxgloveStream) -> None:
    step = rich_step(7, size=(96, 64))
    topics = ("/drive", "/camera/image", "/camera/tags", "/map", "/map/image")
    client, found = given(stream, step, *topics)
    frame, explanation = step.observation.frame, step.decision.explanation
    assert explanation is not None
    assert frame.tags is not None
    assert found["/drive"].steering == step.decision.control.steering
    assert found["/drive"].map_scale == EXTRAS.map_scale
    assert nanoseconds(frame.sim_s) in client.times

    assert found["/camera/image"].format == "jpeg"
    picture = np.asarray(Pillow.open(io.BytesIO(found["/camera/image"].data)))
    assert picture.shape == frame.image.shape
    assert abs(picture.mean((0, 1)) - frame.image.mean((0, 1))).max() < 3  # of noise; JPEG
    tags = np.asarray(Pillow.open(io.BytesIO(found["/camera/tags"].data)))
    assert np.array_equal(tags, frame.tags)

    about, image = found["/map"], found["/map/image"]
    assert image.encoding == "mono16"
    grey = np.frombuffer(image.data, "<u2").reshape(image.height, image.width)
    values = (grey.astype(np.float64) - about.zero) * about.step
    most = np.abs(explanation.attribution).max()
    assert np.allclose(values, explanation.attribution, rtol=0, atol=most / 65_000)


def test_nothing_is_encoded_while_nobody_looks(
    stream: FoxgloveStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[DriveStep] = []

    def note(step: DriveStep, extras: Extras, lossless: bool) -> list[Any]:
        encoded.append(step)
        return []

    monkeypatch.setattr(foxglove_stream, "messages", note)
    for number in range(20):
        stream.add(rich_step(number), EXTRAS)
    stream.close()
    assert not encoded


def test_a_client_that_never_reads_holds_up_nobody(stream: FoxgloveStream) -> None:
    steps = [rich_step(number, size=(640, 360)) for number in range(3)]

    async def look() -> float:
        async with connected(stream) as lazy, connected(stream) as client:
            await lazy.subscribe(*(about["topic"] for about in lazy.channels.values()))
            await client.subscribe("/drive")
            seen = 0.0
            for number in range(150):  # far more than a socket holds
                stream.add(steps[number % 3], EXTRAS)
                await asyncio.sleep(0.01)
            last = rich_step(999)
            while seen != last.observation.frame.sim_s:
                _, _, message = await first_of(client, lambda: stream.add(last, EXTRAS))
                seen = message.sim_s
            return seen

    assert asyncio.run(look()) > 0


def test_a_busy_port_is_refused_in_one_line(stream: FoxgloveStream) -> None:
    port = int(stream.address.rpartition(":")[2])
    line = f"--live can't listen on port {port} of 127.0.0.1 .Address already in use.; choose"
    with pytest.raises(BadInputError, match=line) as refused:
        FoxgloveStream("127.0.0.1", port, "other", lambda text: None, pytest.fail)
    assert "\n" not in str(refused.value)


def test_it_says_where_to_look_and_ends_its_thread_and_its_port() -> None:
    said: list[str] = []
    stream = FoxgloveStream("127.0.0.1", 0, "shipped", said.append, pytest.fail)
    assert said == [f"live: in Foxglove, Open connection > Foxglove WebSocket > {stream.address}"]
    assert "Foxglove" in {thread.name for thread in threading.enumerate()}
    stream.close()
    stream.close()
    stream.add(rich_step(1), EXTRAS)  # too late is no error
    assert "Foxglove" not in {thread.name for thread in threading.enumerate()}
    port = int(stream.address.rpartition(":")[2])
    end_s = time.monotonic() + WAIT_S
    while is_open(port):  # the library lets go of it in a thread of its own
        assert time.monotonic() < end_s
        time.sleep(0.01)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
