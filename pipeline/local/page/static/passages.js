// What memory found, as cards; and where in a conversation a passage stands.

import { el, languageOf } from "./dom.js";
import { day, say } from "./words.js";

const SNIPPET = 240;
const BEFORE_MATCH = 60;
const MAX_SPANS = 50;
const PIECE = 12;
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

/** Return nodes of `text`, shortened to where most of the terms stand, with the terms marked. */
export function quoted(text, terms) {
  const spans = spansOf(text, terms);
  const start = startOf(text, spans);
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

function startOf(text, spans) {
  const different = (start) => new Set(spans.filter(([from, to]) => from >= start && to <= start + SNIPPET).map(([from, to]) => text.slice(from, to).toLowerCase())).size;
  const starts = [0, ...spans.slice(0, MAX_SPANS).map(([from]) => Math.max(0, from - BEFORE_MATCH))];
  return starts.reduce((best, start) => (different(start) > different(best) ? start : best));
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

/** A card of one hit. `open` is called with it, and with the terms, when it is chosen. */
export function card(hit, { title, terms, open }) {
  const button = el("button", { type: "button", className: "open", lang: languageOf(title), on: { click: () => open(hit, terms) } }, title);
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

/** What one speaker says in a passage; all of it where nobody, or nothing of theirs, is asked for. */
export function onlyOf(text, role) {
  const turns = text.split(/(?:^|\n)(?=(?:user|assistant): )/).filter((turn) => turn.startsWith(`${role}: `));
  return role && turns.length ? turns.join("\n") : text;
}

export function spokenLines(text) {
  return text.replace(/(^|\s)(user|assistant): /g, (_, before, role) => `${before}${say(role === "user" ? "you" : role)}: `);
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

/** Return the index of the message in which a passage says most of the terms, else of its first; or -1. */
export function placeOf(messages, text, terms = []) {
  const contents = messages.map((message) => squeezed(String(message.content ?? "")));
  const held = heldIn(contents, text);
  const score = (index) => terms.filter((term) => contents[index].toLowerCase().includes(squeezed(term))).length;
  return held.reduce((best, index) => (score(index) > score(best) ? index : best), held[0] ?? -1);
}

/** Return the indexes of the messages that a passage holds whole, or a long piece of. A piece of a few characters may
 * stand anywhere, so where there is a longer one, what is apart from it does not count. */
function heldIn(contents, text) {
  const whole = squeezed(text.replace(/…$/, ""));
  const parts = text.replace(/…$/, "").split(/(?:^|\s)(?:user|assistant): /).map(squeezed).filter(Boolean);
  const said = (content) => content && (whole.includes(content) || parts.some((part) => part.length >= PIECE && content.includes(part.slice(0, PIECE))));
  const held = contents.flatMap((content, index) => (said(content) ? [index] : []));
  const longest = held.reduce((best, index) => (contents[index].length > contents[best].length ? index : best), held[0]);
  const first = (index) => (held.includes(index - 1) ? first(index - 1) : index);
  const last = (index) => (held.includes(index + 1) ? last(index + 1) : index);
  return held.length ? held.filter((index) => index >= first(longest) && index <= last(longest)) : [];
}

const squeezed = (text) => text.replace(/\s+/g, "");
