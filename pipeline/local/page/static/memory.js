// The memory browser: everything that is held of a person, by conversation, note or day, with its state and why.

import { byId, el, languageOf } from "./dom.js";
import { ask } from "./server.js";
import { day, moment, say } from "./words.js";

const AGAIN_MS = 3000;
const STATES = ["live", "kept", "unexplained", "erased"];
let asked = 0;
let last = { state: "looking", items: [] };
const open = new Set();

/** `titleOf` names an item. */
export function memoryRoom({ titleOf }) {
  for (const name of ["memory-by", "memory-only"]) byId(name).addEventListener("change", draw);
  return { look, draw, forgetAll };

  async function look() {
    const number = (asked += 1);
    byId("holdings").setAttribute("aria-busy", "true");
    try {
      const { items } = await ask("held");
      if (number === asked) show({ state: "found", items });
    } catch {
      if (number !== asked) return;
      show({ state: "away", items: last.items });
      setTimeout(() => number === asked && look(), AGAIN_MS);
    }
  }

  function show(next) {
    last = next;
    draw();
    byId("holdings").setAttribute("aria-busy", "false");
  }

  function draw() {
    const groups = grouped(chosen(), byId("memory-by").value);
    byId("holdings").replaceChildren(...groups.map(drawGroup));
    byId("memory-state").textContent = stateOf(groups);
  }

  /** Every piece with what it is a piece of, of the states that are asked for. */
  function chosen() {
    const only = byId("memory-only").value;
    const pieces = last.items.flatMap((item) => item.pieces.map((piece) => ({ ...piece, key: item.key, kind: item.kind, title: titleOf(item) })));
    return only ? pieces.filter((piece) => piece.state === only) : pieces;
  }

  function forgetAll() {
    asked += 1;
    open.clear();
    byId("memory-by").value = "item";
    byId("memory-only").value = "";
    show({ state: "looking", items: [] });
  }
}

function grouped(pieces, by) {
  const groups = new Map();
  for (const piece of pieces) {
    const name = by === "day" ? (piece.at === null ? say("noDay") : day(piece.at)) : piece.key;
    const group = groups.get(name) ?? { name, title: by === "day" ? name : piece.title, at: 0, pieces: [], by };
    group.pieces.push(piece);
    group.at = Math.max(group.at, piece.at ?? 0);
    groups.set(name, group);
  }
  for (const group of groups.values()) group.pieces.sort((one, other) => (one.at ?? 0) - (other.at ?? 0));
  return [...groups.values()].sort((one, other) => other.at - one.at);
}

function drawGroup(group) {
  const details = el(
    "details",
    { className: "holding", open: open.has(group.name), data: { key: group.name } },
    el("summary", {}, el("span", { className: "title", lang: languageOf(group.title) }, group.title), el("span", { className: "meta" }, countsOf(group))),
    el("ol", { className: "pieces" }, ...group.pieces.map((piece) => drawPiece(piece, group.by))),
  );
  details.addEventListener("toggle", () => (details.open ? open.add(group.name) : open.delete(group.name)));
  return el("li", {}, details);
}

function countsOf({ pieces, at, by }) {
  const counts = STATES.map((state) => [state, pieces.filter((piece) => piece.state === state).length]).filter(([, count]) => count);
  const words = counts.map(([state, count]) => say("stateCount", { state: say(`state.${state}`), count }));
  return [by === "day" ? "" : at ? day(at) : "", ...words].filter(Boolean).join(" · ");
}

function drawPiece(piece, by) {
  const when = piece.at === null ? say("noDay") : moment(piece.at);
  return el(
    "li",
    { className: `piece ${piece.state}`, data: { state: piece.state } },
    el("p", { className: "meta" }, el("span", { className: "state-name" }, say(`state.${piece.state}`)), ` ${when}${by === "day" ? ` · ${piece.title}` : ""}`),
    piece.text === null ? null : el("p", { className: "quote", lang: languageOf(piece.text) }, spoken(piece.text)),
    el("p", { className: "meta" }, say(`because.${piece.reason || piece.state}`)),
    piece.saved_at ? el("p", { className: "meta" }, say("savedAt", { when: moment(piece.saved_at) })) : null,
  );
}

const spoken = (text) => text.replace(/(^|\n)(user|assistant): /g, (_, before, role) => `${before}${say(role === "user" ? "you" : role)}: `);

function stateOf(groups) {
  if (last.state === "away") return say("awaySearch");
  if (last.state === "looking") return say("looking");
  const pieces = groups.reduce((sum, group) => sum + group.pieces.length, 0);
  return pieces ? say("held", { count: pieces }) : say("heldNone");
}
