"""What is in a record: which topics, and what a message of each says.

One step of a drive is one `STEP` message and what belongs to it on the other topics, all with the
same log time (simulated nanoseconds) and the same sequence number (of the step, from 0). Steps are
never split over chunks, and the last message of a chunk is its `CONTENTS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from foxglove import messages as foxglove

from carla_saliency.core import GROUPS
from carla_saliency.record.schemas import Schema, own_schemas, schema_from

FILE_NAME = "drive.mcap"
VIDEO_NAME = "drive.mp4"
METADATA = "drive"  # name of the metadata record with the facts, as JSON under the same key

_BY_GROUP = " ".join(f"{{0}}{name}:float" for name in GROUPS)
OWN = own_schemas(
    {
        "Control": "steering:double throttle:double brake:double hand_brake:bool reverse:bool",
        "Named": "name:string value:double",
        "Mask": "left:int top:int right:int bottom:int",
        "Step": "frame_id:int sim_s:double "
        "steering:double throttle:double brake:double hand_brake:bool reverse:bool driver:string "
        "network_steering:double? expert_steering:double? shadow_steering:double? "
        "speed_mps:double frame_speed_mps:double "
        "x_m:double y_m:double z_m:double pitch_deg:double yaw_deg:double roll_deg:double "
        "off_road_s:double map_scale:double? server_ms:double notice:string "
        "explained_frame_id:int? explained_sim_s:double? explained_speed_mps:double? "
        "every:int applied:Control? timing_ms:Named* parts_ms:Named* "
        "masks:Mask*",
        # path: world metres of a point and the curvature there (1/m), point by point
        "Lane": "offset_m:double heading_error_deg:double width_m:double in_junction:bool "
        "expert_must_steer:bool turn_ahead:string gap_m:double? ahead_speed_mps:double "
        "stop_in_m:double? path_x_m:float* path_y_m:float* path_curvature:float*",
        # a map's value is (pixel - zero) * step
        "Map": "frame_id:int method:string steering:double zero:int step:double title:string "
        "of:string unit:string signed:bool left:string right:string hint:string* place:double*",
        "Shadow": "letter:string title:string steering:double?",
        "Shares": f"frame_id:int {_BY_GROUP.format('')} {_BY_GROUP.format('area_')} on_road:float",
        "Effects": f"frame_id:int {_BY_GROUP.format('')} {_BY_GROUP.format('floor_')}",
        "Blob": "top:double bottom:double left:double right:double change:double moves:bool",
        "CausalCheck": "frame_id:int limit:double patches:int blobs:Blob*",
        "MapCheck": "frame_id:int edges:double random:double? others:double? deletion:double? "
        "deletion_of_other:double? doubts:string*",
        "Novelty": "distance:double limit:double stand_in:bool",
        "Comparison": "difference:double alike:double?",
        # found: told by what examined the map, not by the simulator; step: in `Contents`, of those
        # of its chunk
        "Event": "kind:string frame_id:int text:string found:bool step:int",
        "Contents": "frame_ids:int* sim_s:double* events:Event*",
    }
)


def _foxglove(kind: Any) -> Schema:
    schema = kind.get_schema()
    return schema_from(schema.name, schema.data)


_PICTURE = _foxglove(foxglove.CompressedImage)
_RAW = _foxglove(foxglove.RawImage)


@dataclass(frozen=True)
class Channel:
    """One topic of a record.

    Attributes:
        topic: Its name.
        schema: Of its messages.
    """

    topic: str
    schema: Schema

    def pack(self, **fields: Any) -> tuple[Channel, bytes]:
        """Return this channel and a message for it; a field that is None is missing."""
        return self, self.schema.message(**fields).SerializeToString()


STEP = Channel("/drive", OWN["Step"])
POSE = Channel("/pose", _foxglove(foxglove.PoseInFrame))
HAND = Channel("/hand", OWN["Control"])  # what a person at the window steers, while they do
LANE = Channel("/lane", OWN["Lane"])
CAMERA = Channel("/camera/image", _PICTURE)
TAGS = Channel("/camera/tags", _PICTURE)
MASKED = Channel("/camera/masked", _PICTURE)
EXPLAINED = Channel("/camera/explained", _PICTURE)  # where it was before the record began
MAP = Channel("/map", OWN["Map"])
MAP_IMAGE = Channel("/map/image", _RAW)
SHADOW = Channel("/shadow", OWN["Shadow"])
SHADOW_MAP = Channel("/shadow/map", OWN["Map"])
SHADOW_MAP_IMAGE = Channel("/shadow/map/image", _RAW)
SHARES = Channel("/attention", OWN["Shares"])
EFFECTS = Channel("/effects", OWN["Effects"])
CAUSAL = Channel("/causal_check", OWN["CausalCheck"])
CHECK = Channel("/map_check", OWN["MapCheck"])
NOVELTY = Channel("/novelty", OWN["Novelty"])
NEAREST = Channel("/novelty/nearest", _PICTURE)  # in each chunk once, and when it changes
COMPARISON = Channel("/comparison", OWN["Comparison"])
EVENT = Channel("/events", OWN["Event"])
LOG = Channel("/log", _foxglove(foxglove.Log))
CONTENTS = Channel("/record/contents", OWN["Contents"])

CHANNELS = (
    *(STEP, POSE, HAND, LANE, CAMERA, TAGS, MASKED, EXPLAINED, MAP, MAP_IMAGE, SHADOW, SHADOW_MAP),
    *(SHADOW_MAP_IMAGE, SHARES, EFFECTS, CAUSAL, CHECK, NOVELTY, NEAREST, COMPARISON, EVENT, LOG),
    CONTENTS,
)


def nanoseconds(sim_s: float) -> int:
    """Return the log time of a simulated time."""
    return round(sim_s * 1e9)
