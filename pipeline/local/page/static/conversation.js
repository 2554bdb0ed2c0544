// The open conversation: showing it, adding to it, forgetting from it.

import { confirmed } from "./asking.js";
import { announce, byId, el, languageOf } from "./dom.js";
import { drawMessage, pointAt } from "./messages.js";
import { placeOf } from "./passages.js";
import { ask, LostError } from "./server.js";
import { began } from "./strip.js";
import { knows, language, say } from "./words.js";

const EXAMPLES = { en: ["What did we decide last time?", "Remind me what is still open."], ja: ["前に決めたことは何でしたか?", "まだ終わっていないことは?"] };

/** `changed` is called after anything is saved or forgotten, `opened` when another conversation shows. */
export function conversation({ changed, opened, openHit, titleOf, starters }) {
  const room = {
    chat: null,
    note: null,
    sending: false,
    recalled: new Map(),
    open,
    openNote,
    fresh,
    reload,
    send,
    forgetChat,
    draw,
  };
  return room;

  /** Open a conversation; with `text`, at the place where memory found it. */
  async function open(key, { text = "", terms = [] } = {}) {
    quiet();
    try {
      const { chat } = await ask("chat", { key });
      Object.assign(room, { chat, note: null, recalled: new Map() });
      draw();
      opened();
      placed(text, terms);
    } catch (error) {
      if (text && error.code === "no_chat") showGone(key, text);
      else trouble(error);
    }
  }

  function placed(text, terms) {
    const at = text ? placeOf(room.chat.messages, text, terms) : -1;
    if (at >= 0) {
      pointAt(byId("messages"), byId("messages").children[at]);
      announce(say("fromMemory"));
      return;
    }
    if (text) placeNote(say("placeGone", { text }));
    else bottom();
  }

  function showGone(key, text) {
    Object.assign(room, { chat: null, note: { key, content: "" } });
    draw();
    opened();
    placeNote(say("chatGone", { text }));
  }

  async function openNote(key, kind) {
    quiet();
    try {
      const { note } = await ask("note", { key });
      Object.assign(room, { chat: null, note: { ...note, kind } });
      draw();
      opened();
      byId("scroller").focus();
    } catch (error) {
      trouble(error);
    }
  }

  function fresh() {
    quiet();
    Object.assign(room, { chat: null, note: null, recalled: new Map() });
    draw();
    opened();
  }

  /** Show the open conversation as it is now: after a lost connection something may have changed. */
  async function reload() {
    if (!room.chat?.key) return;
    try {
      room.chat = (await ask("chat", { key: room.chat.key })).chat;
      draw();
    } catch (error) {
      if (error.code === "no_chat") fresh();
      trouble(error);
    }
  }

  /** Send `text`; returns whether it is saved. A turn keeps its name, so that sending it again saves it once. */
  async function send(text, turn) {
    quiet();
    room.sending = true;
    const waiting = drawMessage({ role: "user", content: text }, { forget() {}, open: openHit, titleOf });
    waiting.classList.add("sending");
    byId("welcome").hidden = true;
    byId("messages").append(waiting);
    bottom();
    try {
      const answer = await ask("turn", { key: room.chat?.key ?? null, text, turn, language: language() });
      began(answer.progress);
      room.chat = answer.chat;
      room.note = null;
      room.recalled.set(answer.chat.messages.at(-1).id, answer.recalled);
      draw();
      lead();
      announce(answer.chat.messages.at(-1).content);
      changed();
      return true;
    } catch (error) {
      waiting.remove();
      byId("welcome").hidden = Boolean(room.chat);
      trouble(error, "notSent");
      return false;
    } finally {
      room.sending = false;
    }
  }

  async function forgetMessage(message) {
    if (!(await confirmed(say("askMessageTitle"), say("askMessage")))) return;
    const item = [...byId("messages").children].find((one) => one.dataset.id === message.id);
    await forget({ key: room.chat.key, message: message.id }, [item]);
  }

  async function forgetChat() {
    if (!room.chat || !(await confirmed(say("askChatTitle"), say("askChat", { title: room.chat.title })))) return;
    await forget({ key: room.chat.key }, [...byId("messages").children]);
  }

  async function forget(asked, items) {
    quiet();
    try {
      const { chat, progress } = await ask("forget", asked);
      began(progress);
      await Promise.all(items.filter(Boolean).map(gone));
      Object.assign(room, { chat });
      draw();
      if (!chat) opened();
      byId("draft").focus();
      changed();
    } catch (error) {
      trouble(error);
    }
  }

  function draw() {
    const { chat, note } = room;
    byId("chat-title").textContent = note ? (note.kind ? `${say(`kind.${note.kind}`)} · ${note.key}` : note.key) : (chat?.title ?? say("untitled"));
    byId("chat-title").lang = languageOf(byId("chat-title").textContent);
    byId("forget-chat").hidden = !chat;
    byId("composer").hidden = Boolean(note);
    byId("messages").replaceChildren(
      ...(chat?.messages ?? noteMessages(note)).map((message) =>
        drawMessage(message, { forget: forgetMessage, open: openHit, titleOf, recalled: room.recalled.get(message.id) }),
      ),
    );
    drawWelcome(!chat && !note);
  }

  function drawWelcome(wanted) {
    const welcome = byId("welcome");
    welcome.hidden = !wanted;
    welcome.replaceChildren();
    if (!wanted) return;
    const examples = starters().length ? starters() : EXAMPLES[language()];
    const buttons = examples.map((text) => el("button", { type: "button", className: "plain", lang: languageOf(text), on: { click: () => start(text) } }, text));
    welcome.append(el("h3", {}, say("welcomeTitle")), el("p", {}, say("welcomeText")), el("div", { className: "starters", aria: { role: "group", label: say("starters") } }, ...buttons));
  }
}

function start(text) {
  const draft = byId("draft");
  draft.value = text;
  draft.focus();
  draft.dispatchEvent(new Event("input", { bubbles: true }));
}

function noteMessages(note) {
  return note?.content ? [{ role: "system", content: note.content, name: say(`kind.${note.kind}`) }] : [];
}

function placeNote(text) {
  const note = byId("place-note");
  note.textContent = text;
  note.hidden = false;
  byId("scroller").scrollTop = 0;
}

/** Take back what was said about the last thing that went wrong. */
function quiet() {
  byId("trouble").hidden = true;
  byId("place-note").hidden = true;
}

function trouble(error, whenLost = "lost") {
  const known = error.code && knows(error.code) ? error.code : "failed";
  byId("trouble").textContent = say(error instanceof LostError ? whenLost : known);
  byId("trouble").hidden = false;
}

function bottom() {
  const scroller = byId("scroller");
  scroller.scrollTop = scroller.scrollHeight;
}

/** Show the last question at the top, so that it and the best of what memory found stay in view. */
function lead() {
  const asked = [...byId("messages").children].at(-2);
  asked?.scrollIntoView({ block: "start" });
}

function gone(item) {
  item.classList.add("leaving");
  return Promise.allSettled(item.getAnimations().map((animation) => animation.finished));
}
