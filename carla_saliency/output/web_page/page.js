// Shows the pictures of a drive and sends keys and mouse back. The server says who is in control.
"use strict";

const [canvas, notice, who, askButton, keepButton, hint, rate, helpButton, stage] = [
  "picture", "notice", "who", "ask", "keep", "hint", "rate", "help", "stage",
].map((id) => document.getElementById(id));
const ink = canvas.getContext("2d", { alpha: false });

const AGAIN_MS = 1000;  // until the next try to connect
const AWAKE_MS = 300;  // how often it is said that something is held
const HINT_MS = 2500;

let link = null;
let state = { you: 0, holder: null, asker: null, viewers: 0, keys: [], ended: false };
let ours = new Set();  // names of the keys that mean something
const held = new Map();  // code of a key -> the name by which it was pressed
let dragging = false;
let move = null;  // the latest one, which is not sent yet
let shown = [];  // times of the last pictures

const inControl = () => link !== null && state.you !== 0 && state.you === state.holder;

// ---------------------------------------------------------------- the connection

function send(message) {
  if (link !== null && link.readyState === WebSocket.OPEN) link.send(JSON.stringify(message));
}

function connect() {
  const address = new URL("live", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  link = new WebSocket(address);
  link.binaryType = "blob";
  link.onmessage = (event) => {
    if (typeof event.data === "string") take(JSON.parse(event.data));
    else draw(event.data);
  };
  link.onclose = () => {
    link = null;
    forget();
    if (!state.ended) {
      say(state.full
        ? `${state.full} viewers are here already, the most that there may be. Trying again …`
        : "No answer: the drive has ended, or the connection is lost. Trying again …");
      setTimeout(connect, AGAIN_MS);
    }
    tell();
  };
}

function take(status) {
  if (status.full) {
    state.full = status.full;
    return;
  }
  const before = inControl();
  state = status;
  ours = new Set(state.keys);
  if (before && !inControl()) forget();
  if (state.ended) say("The drive has ended.");
  tell();
}

async function draw(data) {
  try {
    const picture = await createImageBitmap(data);
    if (canvas.width !== picture.width || canvas.height !== picture.height) {
      [canvas.width, canvas.height] = [picture.width, picture.height];
      fit();
    }
    ink.drawImage(picture, 0, 0);
    picture.close();
    if (!state.ended) say("");
    shown.push(performance.now());
  } finally {
    if (!document.hidden) send({ do: "drawn" });  // else when it is looked at again
  }
}

// ---------------------------------------------------------------- what is written

function say(text) {
  if (notice.textContent !== text) notice.textContent = text;
  canvas.classList.toggle("stale", text !== "");
}

function tell() {
  const mine = inControl();
  const open = link !== null && state.you !== 0 && !state.ended;
  const asked = mine && state.asker !== null;
  if (!open) who.textContent = "";
  else if (asked) who.textContent = `Viewer ${state.asker} asks for control`;
  else if (mine) who.textContent = state.viewers > 1
    ? `You are in control, ${state.viewers - 1} watching` : "You are in control";
  else if (state.holder === null) who.textContent = "Watching; nobody is in control";
  else who.textContent = `Watching; viewer ${state.holder} is in control`;
  askButton.hidden = !open || (mine && !asked);
  askButton.disabled = open && !mine && state.asker !== null;
  if (asked) askButton.textContent = "Give it";
  else if (state.holder === null) askButton.textContent = "Take control";
  else askButton.textContent = state.asker === state.you ? "Asked …" : "Ask for control";
  keepButton.hidden = !asked;
  helpButton.hidden = !open || !mine;
  document.body.dataset.control = open ? (mine ? "mine" : "other") : "none";
}

let hintTimer = 0;
function warn(text) {
  hint.textContent = text;
  clearTimeout(hintTimer);
  hintTimer = setTimeout(() => { hint.textContent = ""; }, HINT_MS);
}

function watchOnly() {
  if (link === null || state.you === 0 || state.ended) return;
  warn(state.holder === null
    ? "Take control first: keys and mouse do nothing yet"
    : "You only watch: keys and mouse do nothing");
}

setInterval(() => {
  const now = performance.now();
  shown = shown.filter((time) => now - time < 2000);
  const seconds = shown.length > 1 ? (shown.at(-1) - shown[0]) / 1000 : 0;
  rate.textContent = seconds > 0 ? `${((shown.length - 1) / seconds).toFixed(0)} pictures/s` : "";
}, 500);

// ---------------------------------------------------------------- keys

function nameOf(event) {
  const letter = /^Key([A-Z])$/.exec(event.code);
  if (/^[a-z]$/i.test(event.key)) return event.key.toLowerCase();
  return letter ? letter[1].toLowerCase() : event.key;  // a keyboard with other letters
}

function sendKey(event, key, down) {
  const ctrl = event.ctrlKey && !event.getModifierState("AltGraph");
  const text = event.key.length === 1 ? event.key : "";
  send({ do: "key", key, down, text, shift: event.shiftKey, ctrl });
}

addEventListener("keydown", (event) => {
  const key = nameOf(event);
  const altGr = event.getModifierState("AltGraph");
  if (event.isComposing || event.metaKey || (event.altKey && !altGr)) return;
  if (event.ctrlKey && !altGr && key !== "q") return;  // the browser's own
  if (!ours.has(key) && key !== "Shift") return;
  if (event.target instanceof HTMLButtonElement && (key === "Enter" || key === " ")) return;
  if (!inControl()) {
    if (key !== "Shift" && key !== "Tab") watchOnly();  // Tab leads to the button
    return;
  }
  if (key !== "Shift") event.preventDefault();
  if (event.repeat) return;
  held.set(event.code, key);
  sendKey(event, key, true);
});

addEventListener("keyup", (event) => {
  const key = held.get(event.code);
  if (key === undefined) return;
  held.delete(event.code);
  sendKey(event, key, false);
});

function forget() {
  held.clear();
  dragging = false;
  move = null;
}

function letGo() {
  if (held.size || dragging) send({ do: "let go" });
  forget();
}

addEventListener("blur", letGo);
addEventListener("pagehide", letGo);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) letGo();
  else send({ do: "drawn" });
});
setInterval(() => { if (held.size || dragging) send({ do: "awake" }); }, AWAKE_MS);

// ---------------------------------------------------------------- mouse and fingers

function point(event, kind) {
  const box = canvas.getBoundingClientRect();
  const x = (event.clientX - box.left) * canvas.width / box.width;
  const y = (event.clientY - box.top) * canvas.height / box.height;
  return { do: "point", x, y, kind };
}

canvas.addEventListener("pointerdown", (event) => {
  if (!event.isPrimary || event.button !== 0) return;
  event.preventDefault();
  document.activeElement?.blur();
  if (!inControl()) return watchOnly();
  canvas.setPointerCapture(event.pointerId);
  dragging = true;
  send(point(event, "press"));
});

canvas.addEventListener("pointermove", (event) => {
  if (!dragging || !event.isPrimary) return;
  if (move === null) requestAnimationFrame(sendMove);
  move = point(event, "move");
});

function sendMove() {
  if (move !== null) send(move);
  move = null;
}

function end(event) {
  if (!dragging || !event.isPrimary) return;
  sendMove();
  dragging = false;
  send(point(event, "release"));
}

canvas.addEventListener("pointerup", end);
canvas.addEventListener("pointercancel", end);
canvas.addEventListener("contextmenu", (event) => event.preventDefault());

// ---------------------------------------------------------------- the rest of the page

askButton.addEventListener("click", () => {
  send({ do: inControl() ? "give" : "ask" });
  askButton.blur();
});
keepButton.addEventListener("click", () => {
  send({ do: "keep" });
  keepButton.blur();
});
helpButton.addEventListener("click", () => {
  for (const down of [true, false]) send({ do: "key", key: "h", down, text: "h" });
  helpButton.blur();
});

function fit() {
  const dots = devicePixelRatio || 1;  // of the screen, in one pixel of the page
  const [width, height] = [stage.clientWidth * dots, stage.clientHeight * dots];
  const k = Math.min(width / canvas.width, height / canvas.height);
  canvas.classList.toggle("whole", Number.isInteger(k));
  const [w, h] = [canvas.width * k, canvas.height * k];
  canvas.style.width = `${w / dots}px`;
  canvas.style.height = `${h / dots}px`;
  canvas.style.left = `${Math.floor((width - w) / 2) / dots}px`;
  canvas.style.top = `${Math.floor((height - h) / 2) / dots}px`;
}

addEventListener("resize", fit);
fit();
connect();
