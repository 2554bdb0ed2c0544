// The panel 「関連する過去の会話」: what memory holds about what is being typed, or about the open conversation.

import { byId, debounced, el } from "./dom.js";
import { card, termsOf } from "./passages.js";
import { ask } from "./server.js";
import { say } from "./words.js";

const PAUSE_MS = 250;
const AGAIN_MS = 3000;
let asked = 0;
let last = { state: "empty", hits: [], text: "" };

/** `openHit` opens a hit; `titleOf` names it. */
export function relatedPanel({ openHit, titleOf }) {
  const panel = {
    /** Look for what bears on `text`, or on the conversation `key` when there is none. */
    async look({ key, text }) {
      const number = (asked += 1);
      if (!key && !text.trim()) return show({ state: "empty", hits: [], text: "" });
      byId("related").setAttribute("aria-busy", "true");
      try {
        const { related } = await ask("related", { key, text: text.trim() });
        if (number === asked) show({ state: text.trim() ? "typing" : "chat", hits: related, text });
      } catch {
        if (number !== asked) return undefined;
        show({ state: "away", hits: [], text });
        setTimeout(() => number === asked && panel.look({ key, text }), AGAIN_MS);
      }
      return undefined;
    },
    draw: () => show(last),
  };
  panel.lookSoon = debounced(panel.look, PAUSE_MS);
  return panel;

  function show(next) {
    last = next;
    const terms = termsOf(next.text);
    const list = byId("related");
    list.setAttribute("aria-busy", "false");
    list.replaceChildren(...next.hits.map((hit) => card(hit, { title: titleOf(hit), terms, open: openHit })));
    const state = byId("related-state");
    const words = stateOf(next);
    if (state.textContent !== words) state.textContent = words;
    const count = byId("related-count");
    count.hidden = next.hits.length === 0;
    count.textContent = String(next.hits.length);
  }
}

function stateOf({ state, hits }) {
  if (state === "empty") return say("relatedEmpty");
  if (state === "away") return say("away");
  if (!hits.length) return say("relatedNone");
  return say(state === "typing" ? "relatedTyping" : "relatedChat", { found: say("found", { count: hits.length }) });
}
