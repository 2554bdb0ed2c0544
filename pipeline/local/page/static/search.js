// Search across all of one's memory, with filters.

import { byId, debounced } from "./dom.js";
import { card, termsOf } from "./passages.js";
import { ask } from "./server.js";
import { say } from "./words.js";

const PAUSE_MS = 300;
const AGAIN_MS = 3000;
let asked = 0;
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
    last = next;
    const terms = termsOf(next.query);
    const list = byId("results");
    list.setAttribute("aria-busy", "false");
    list.replaceChildren(...next.hits.map((hit) => card(hit, { title: titleOf(hit), terms, open: openHit })));
    byId("search-state").textContent = stateOf(next);
  }

  function forgetAll() {
    asked += 1;
    byId("search-form").reset();
    show({ state: "start", hits: [], query: "" });
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
