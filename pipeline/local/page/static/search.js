// Search across all of one's memory, with filters.

import { byId, debounced, el } from "./dom.js";
import { card, onlyOf, quoted, spokenLines, termsOf } from "./passages.js";
import { ask } from "./server.js";
import { whyOf } from "./why.js";
import { say } from "./words.js";

const PAUSE_MS = 300;
const AGAIN_MS = 3000;
let asked = 0;
const opened = new Set(); // hits whose reasons are shown: the same question may be answered anew
let last = { state: "start", hits: [], query: "" };

/** `openHit` opens a hit; `titleOf` names it. */
export function searchRoom({ openHit, titleOf }) {
  const soon = debounced(look, PAUSE_MS);
  byId("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    look();
  });
  byId("query").addEventListener("input", soon);
  for (const name of ["kind", "role", "since", "until"]) byId(`filter-${name}`).addEventListener("change", look);
  byId("agent").addEventListener("toggle", () => byId("agent").open && showAgent());
  show(last);
  return { draw: () => show(last), forgetAll };

  async function look() {
    const number = (asked += 1);
    const query = byId("query").value.trim();
    if (!query) return show({ state: "start", hits: [], query });
    byId("results").setAttribute("aria-busy", "true");
    if (!last.hits.length) byId("search-state").textContent = say("looking");
    try {
      const { results } = await ask("search", { query, ...filters() });
      if (number === asked) show({ state: "found", hits: results, query });
    } catch {
      if (number !== asked) return undefined;
      show({ state: "away", hits: [], query });
      setTimeout(() => number === asked && look(), AGAIN_MS);
    }
    return undefined;
  }

  function show(next) {
    if (next.query !== last.query) opened.clear();
    last = next;
    const terms = termsOf(next.query);
    const list = byId("results");
    list.setAttribute("aria-busy", "false");
    list.replaceChildren(...byItem(next.hits).map((hits) => drawItem(hits, terms, next.query)));
    byId("search-state").textContent = stateOf(next);
    byId("agent").hidden = !next.hits.length;
    if (byId("agent").open && next.hits.length) showAgent();
  }

  /** A conversation is one card: its best passage, what else was found in it, and why. */
  function drawItem([best, ...others], terms, query) {
    const role = byId("filter-role").value;
    const one = card({ ...best, text: onlyOf(best.text, role) }, { title: titleOf(best), terms, open: (_, found) => openHit(best, found) });
    for (const hit of others) one.append(el("p", { className: "quote also" }, ...quoted(spokenLines(onlyOf(hit.text, role)), terms)));
    one.append(whyOf(best, () => ({ query, ...filters() }), opened));
    return one;
  }

  function forgetAll() {
    asked += 1;
    byId("search-form").reset();
    byId("agent").open = false;
    byId("agent-text").textContent = "";
    show({ state: "start", hits: [], query: "" });
  }
}

function byItem(hits) {
  const items = new Map();
  for (const hit of hits) items.set(hit.key, [...(items.get(hit.key) ?? []), hit]);
  return [...items.values()];
}

/** Show what an agent would be given for the question: the text itself, and what was left out of it. */
async function showAgent() {
  const query = byId("query").value.trim();
  const text = byId("agent-text");
  byId("agent-state").textContent = say("looking");
  try {
    const given = await ask("agent", { query });
    if (query !== byId("query").value.trim()) return;
    const left = Object.entries(given.left_out).map(([why, count]) => say("leftOut", { why: say(`left.${why}`), count }));
    byId("agent-state").textContent = [say("agentTokens", { tokens: given.tokens }), ...left].join(" · ");
    text.textContent = given.text;
    text.hidden = !given.text;
  } catch {
    byId("agent-state").textContent = say("awaySearch");
    text.hidden = true;
  }
}

function filters() {
  const kind = byId("filter-kind").value;
  const role = byId("filter-role").value;
  return {
    kinds: kind ? [kind] : [],
    roles: role ? [role] : [],
    since: byId("filter-since").value,
    until: byId("filter-until").value,
  };
}

function stateOf({ state, hits }) {
  if (state === "start") return say("searchStart");
  if (state === "away") return say("awaySearch");
  return hits.length ? say("results", { count: hits.length }) : say("searchNone");
}
