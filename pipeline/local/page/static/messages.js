// Draws the messages of a conversation.

import { el, languageOf } from "./dom.js";
import { card } from "./passages.js";
import { moment, say } from "./words.js";

const LONG = 3000;
const NAME_CHARACTERS = 40;

/** One message as a list item. `forget` is called with it; `recalled` are the passages found for it, this once. */
export function drawMessage(message, { forget, open, recalled = [], titleOf }) {
  const text = String(message.content ?? "");
  const item = el("li", { className: `message ${kindOf(message)}`, tabIndex: -1, data: { id: message.id ?? "" } });
  const bubble = el("div", { className: "bubble" }, ...(message.forgotten ? [say("forgotten")] : blocks(text)));
  item.append(head(message, text, forget), bubble);
  if (text.length > LONG) shorten(item, bubble, text.length);
  if (recalled.length) item.append(drawRecalled(recalled, open, titleOf));
  return item;
}

/** Show `item` as the place that was asked for. */
export function pointAt(list, item) {
  for (const other of list.querySelectorAll(".here")) other.classList.remove("here");
  if (!item) return;
  item.classList.add("here");
  item.scrollIntoView({ block: "start" });
  item.focus({ preventScroll: true });
}

function head(message, text, forget) {
  const spoken = message.role === "user" || message.role === "assistant";
  const erase = el(
    "button",
    {
      type: "button",
      className: "quiet danger",
      aria: { label: say("forgetMessage", { text: text.slice(0, NAME_CHARACTERS) }) },
      on: { click: () => forget(message) },
    },
    say("forget"),
  );
  return el(
    "div",
    { className: "message-head" },
    el("span", { className: "name" }, nameOf(message)),
    message.timestamp ? el("time", { dateTime: String(message.timestamp) }, moment(message.timestamp)) : null,
    spoken && !message.forgotten && message.id ? erase : null,
  );
}

function nameOf(message) {
  if (message.name) return String(message.name);
  if (message.role === "user") return say("you");
  if (message.responder) return say("responder");
  return say({ assistant: "assistant", tool: "tool" }[message.role] ?? "system");
}

function kindOf(message) {
  const role = ["user", "assistant"].includes(message.role) ? message.role : "system";
  return message.forgotten ? `${role} forgotten` : role;
}

/** Code between fences as code, everything else as it was written. */
function blocks(text) {
  return text.split(/^```[^\n]*\n([\s\S]*?)^```[^\S\n]*$/m).map((part, index) => {
    const trimmed = index % 2 ? part.replace(/\n$/, "") : part.trim();
    if (!trimmed) return null;
    return index % 2
      ? el("pre", { tabIndex: 0 }, el("code", {}, trimmed))
      : el("div", { className: "text", lang: languageOf(trimmed) }, trimmed);
  });
}

function shorten(item, bubble, count) {
  item.classList.add("long");
  const more = el("button", { type: "button", className: "quiet" }, say("showAll", { count }));
  more.addEventListener("click", () => {
    item.classList.remove("long");
    more.remove();
    item.focus();
  });
  bubble.after(more);
}

function drawRecalled(recalled, open, titleOf) {
  const cards = recalled.map((hit) => card(hit, { title: titleOf(hit), terms: [], open }));
  return el("ul", { className: "recalled", aria: { label: say("recalledHere") } }, ...cards);
}
