// What memory found, as cards; and where in a conversation a passage stands.

import { el, languageOf } from "./dom.js";
import { day, say } from "./words.js";

const SNIPPET = 240;
const BEFORE_MATCH = 60;
const STOP = new Set("a an and are as at be but by can did do does for from has have how i if in is it me my of on or our so that the their them then there they this to us was we were what when where which who will with you your".split(" "));

/** The words of a question that are worth showing again: Latin words, and pairs of Japanese characters. */
export function termsOf(text) {
  const terms = new Set();
  for (const word of text.slice(0, 2000).toLowerCase().match(/[\p{Script=Latin}\p{N}][\p{Script=Latin}\p{N}\-.]*[\p{Script=Latin}\p{N}]/gu) ?? []) {
    if (!STOP.has(word)) terms.add(word);
  }
  for (const run of text.slice(0, 2000).match(/[\p{Script=Han}\p{Script=Katakana}\p{Script=Hiragana}ー]{2,}/gu) ?? []) {
    for (let at = 0; at + 2 <= run.length; at += 1) {
      const pair = run.slice(at, at + 2);
      if (!/^\p{Script=Hiragana}+$/u.test(pair)) terms.add(pair);
    }
  }
  return [...terms];
}

/** Return nodes of `text`, shortened around the first term it holds, with the terms marked. */
export function quoted(text, terms) {
  const spans = spansOf(text, terms);
  const start = spans.length && spans[0][0] > SNIPPET - BEFORE_MATCH ? spans[0][0] - BEFORE_MATCH : 0;
  const end = Math.min(text.length, start + SNIPPET);
  const nodes = [start ? "…" : ""];
  let at = start;
  for (const [from, to] of spans) {
    if (from < at || to > end) continue;
    nodes.push(text.slice(at, from), el("mark", {}, text.slice(from, to)));
    at = to;
  }
  nodes.push(text.slice(at, end), end < text.length ? "…" : "");
  return nodes;
}

function spansOf(text, terms) {
  const lower = text.toLowerCase();
  if (lower.length !== text.length) return [];
  const found = [];
  for (const term of terms) {
    for (let at = lower.indexOf(term); at >= 0; at = lower.indexOf(term, at + 1)) {
      if (standsAlone(lower, at, at + term.length)) found.push([at, at + term.length]);
    }
  }
  found.sort((one, two) => one[0] - two[0] || two[1] - one[1]);
  return joined(found);
}

function standsAlone(text, from, to) {
  const latin = /[\p{Script=Latin}\p{N}]/u;
  return !(latin.test(text[from]) && ((from > 0 && latin.test(text[from - 1])) || (to < text.length && latin.test(text[to]))));
}

function joined(spans) {
  const whole = [];
  for (const [from, to] of spans) {
    const last = whole.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else whole.push([from, to]);
  }
  return whole;
}

/** A card of one hit. `open` is called when it is chosen. */
export function card(hit, { title, terms, open }) {
  const button = el("button", { type: "button", className: "open", lang: languageOf(title), on: { click: () => open(hit) } }, title);
  const meta = [day(hit.created_at), hit.kind === "session" ? channelOf(hit.key) : ""].filter(Boolean).join(" · ");
  return el(
    "li",
    { className: "card", data: { key: hit.key } },
    button,
    el("p", { className: "meta" }, meta),
    el("p", { className: "quote", lang: languageOf(hit.text) }, ...quoted(spokenLines(hit.text), terms)),
    hit.why ? why(hit.why) : null,
  );
}

/** Chat apps name a session by its channel first; where there is none, there is nothing to show. */
function channelOf(key) {
  return /^[a-z]{2,12}(?=:)/.exec(key)?.[0] ?? "";
}

function spokenLines(text) {
  return text.replace(/^user: /gm, `${say("you")}: `).replace(/^assistant: /gm, `${say("assistant")}: `);
}

function why({ vector, lexical }) {
  const values = { vector: Math.round(vector * 100), lexical: Math.round(lexical * 100) };
  return el(
    "p",
    { className: "why" },
    el("span", { className: "unseen" }, say("whyLabel", values)),
    measure(say("meaning"), vector),
    measure(say("words"), lexical),
  );
}

function measure(name, part) {
  const fill = el("i", { className: "fill" });
  fill.style.setProperty("--part", String(Math.max(0, Math.min(1, part))));
  return el("span", { aria: { hidden: "true" } }, name, el("i", { className: "track" }, fill));
}

/** Return the index of the message that a passage begins with, or -1. */
export function placeOf(messages, text) {
  const whole = squeezed(text);
  const contents = messages.map((message) => squeezed(String(message.content ?? "")));
  let best = -1;
  contents.forEach((content, index) => {
    if (content && whole.includes(content) && (best < 0 || content.length > contents[best].length)) best = index;
  });
  while (best > 0 && contents[best - 1] && whole.includes(contents[best - 1])) best -= 1;
  if (best >= 0) return best;
  const piece = whole.slice(whole.indexOf(":") + 1).slice(0, 60);
  return contents.findIndex((content) => piece && content.includes(piece));
}

const squeezed = (text) => text.replace(/\s+/g, "");
