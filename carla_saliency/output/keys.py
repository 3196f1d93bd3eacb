"""Which key asks for what. CARLA's own meanings are kept, ours are on free keys."""

from __future__ import annotations

import pygame

from carla_saliency.core import (
    Autopilot,
    Bookmark,
    ChangeLayer,
    ChangeMethod,
    ChangeStrip,
    ChangeWeather,
    CheckBlobs,
    DriveMasked,
    HandOver,
    LockScale,
    NextCamera,
    NextSpawnPoint,
    OpenEvent,
    Pause,
    Quit,
    RemoveMask,
    Request,
    SaveFrame,
    Screenshot,
    Scrub,
    ShowShadow,
    StepOnce,
    SwapDrivers,
    ToggleRecording,
)

STEER = {
    pygame.K_LEFT: "left",
    pygame.K_a: "left",
    pygame.K_RIGHT: "right",
    pygame.K_d: "right",
    pygame.K_UP: "throttle",
    pygame.K_w: "throttle",
    pygame.K_DOWN: "brake",
    pygame.K_s: "brake",
    pygame.K_SPACE: "hand_brake",
}
"""The driving keys, which count as long as they are down."""

ASK: dict[int, Request] = {
    pygame.K_ESCAPE: Quit(),
    pygame.K_p: HandOver(),
    pygame.K_e: Pause(),
    pygame.K_RETURN: StepOnce(),
    pygame.K_KP_ENTER: StepOnce(),
    pygame.K_PAGEUP: Scrub(-1),
    pygame.K_PAGEDOWN: Scrub(1),
    pygame.K_r: ToggleRecording(),
    pygame.K_k: ChangeMethod(1),
    pygame.K_j: ChangeLayer(1),
    pygame.K_f: LockScale(),
    pygame.K_F2: CheckBlobs(),
    pygame.K_t: ChangeStrip(),
    pygame.K_u: ShowShadow(),
    pygame.K_c: ChangeWeather(1),
    pygame.K_BACKSPACE: NextSpawnPoint(),
    pygame.K_TAB: NextCamera(),
    pygame.K_y: Bookmark(),
    pygame.K_DELETE: RemoveMask(),
    pygame.K_INSERT: DriveMasked(),
    pygame.K_F12: Screenshot(),
}
ASK_WITH_SHIFT: dict[int, Request] = {
    pygame.K_p: Autopilot(),
    pygame.K_e: SaveFrame(),
    pygame.K_PAGEUP: Scrub(-1, seconds=True),
    pygame.K_PAGEDOWN: Scrub(1, seconds=True),
    pygame.K_k: ChangeMethod(-1),
    pygame.K_j: ChangeLayer(-1),
    pygame.K_u: SwapDrivers(),
    pygame.K_c: ChangeWeather(-1),
    pygame.K_y: OpenEvent(),
}
"""Takes the place of `ASK` while Shift is down, for these keys; other keys don't care."""

REPEAT = frozenset({pygame.K_PAGEUP, pygame.K_PAGEDOWN})
"""Held down, they ask again and again."""
