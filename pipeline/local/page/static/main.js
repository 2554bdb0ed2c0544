// Puts the page together.

import { readyToAsk } from "./asking.js";
import { conversation } from "./conversation.js";
import { byId, el, languageOf } from "./dom.js";
import { memoryRoom } from "./memory.js";
import { pipelineRoom } from "./pipeline.js";
import { relatedPanel } from "./related.js";
import { searchRoom } from "./search.js";
import { ask, become, listen, people, rememberedPerson } from "./server.js";
import { readySettings } from "./settings.js";
import { draw as drawStrip, hideProgress, hideOthers, showProgress } from "./strip.js";
import { language, moment, say } from "./words.js";

const BACK_MS = 6000;

let chats = null;
let starters = [];
let everybody = [];
let listening = new AbortController();
let turn = { text: "", name: "" };

const titleOf = (hit) => (hit.kind === "session" ? (chats?.find((chat) => chat.key === hit.key)?.title ?? hit.title ?? hit.key) : say(`kind.${hit.kind}`));
const room = conversation({ changed: refresh, opened: shown, openHit, titleOf, starters: () => starters });
const related = relatedPanel({ openHit, titleOf });
const search = searchRoom({ openHit, titleOf });
const memory = memoryRoom({ titleOf });
const pipeline = pipelineRoom({ shows: () => document.body.dataset.view === "pipeline" });

start();

async function start() {
  readySettings(() => {
    for (const part of [room, related, search, memory, pipeline]) part.draw();
    drawPeople();
    drawStrip();
    drawChats();
    byId("draft").placeholder = say("message");
  });
  readyToAsk();
  byId("draft").placeholder = say("message");
  wire();
  view("chat");
  drawChats();
  everybody = await patiently(people);
  drawPeople();
  await enter(remembered() ?? host(), { again: true });
}

function wire() {
  byId("person").addEventListener("change", () => enter(everybody[Number(byId("person").value)]));
  byId("new-chat").addEventListener("click", () => {
    room.fresh();
    view("chat");
    byId("draft").focus();
  });
  byId("open-search").addEventListener("click", () => goSearch());
  for (const name of ["memory", "pipeline"]) byId(`open-${name}`).addEventListener("click", () => view(name));
  byId("forget-chat").addEventListener("click", () => room.forgetChat());
  byId("tabs").addEventListener("click", (event) => {
    const wanted = event.target.closest("[data-view]")?.dataset.view;
    if (wanted === "search") goSearch();
    else if (wanted) view(wanted);
  });
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  byId("draft").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return; // 229: Safari's Enter that ends a conversion
    event.preventDefault();
    submit();
  });
  byId("draft").addEventListener("input", () => {
    sessionStorage.setItem("draft", byId("draft").value);
    related.lookSoon({ key: room.chat?.key, text: byId("draft").value });
  });
}

/** Speak as somebody: whatever was of the person before leaves the page first. */
async function enter(person, { again = false } = {}) {
  listening.abort();
  listening = new AbortController();
  const open = again ? sessionStorage.getItem("chat") : null;
  const draft = again ? (sessionStorage.getItem("draft") ?? "") : "";
  chats = null;
  hideProgress();
  search.forgetAll();
  memory.forgetAll();
  byId("draft").value = draft;
  sessionStorage.setItem("draft", draft);
  drawChats();
  await patiently(() => become(person));
  drawPeople();
  room.fresh();
  await refresh();
  if (document.body.dataset.view === "memory") memory.look();
  if (open && chats?.some((chat) => chat.key === open)) await room.open(open);
  document.body.dataset.ready = "true";
  listen({ signal: listening.signal, heard, connected });
}

function heard(events) {
  if (events.type === "progress") showProgress(events);
  if (events.type === "progress" && "searchable" in events.reached && document.body.dataset.view === "memory") memory.look();
  if (events.type === "progress" && "searchable" in events.reached) related.look({ key: room.chat?.key, text: byId("draft").value });
}

function connected(yes, { again = false, restarted = false } = {}) {
  const line = byId("connection");
  line.className = yes ? "connection back" : "connection lost";
  line.textContent = yes ? (again || restarted ? say(restarted ? "restarted" : "back") : "") : say("lost");
  if (!yes || !(again || restarted)) return;
  if (!room.sending) room.reload();
  refresh();
  setTimeout(() => {
    if (line.classList.contains("back")) line.textContent = "";
  }, BACK_MS);
}

async function submit() {
  const draft = byId("draft");
  const text = draft.value;
  if (!text.trim() || room.sending) return;
  byId("send").disabled = true;
  draft.value = "";
  if (turn.text !== text) turn = { text, name: crypto.randomUUID() };
  const saved = await room.send(text, turn.name);
  if (saved) turn = { text: "", name: "" };
  else if (!draft.value) draft.value = text;
  sessionStorage.setItem("draft", draft.value);
  byId("send").disabled = false;
  draft.focus();
}

function openHit(hit, terms) {
  view("chat"); // first: what is not shown takes no focus
  return hit.kind === "session" ? room.open(hit.key, { text: hit.text, terms }) : room.openNote(hit.key, hit.kind);
}

/** After another conversation shows: the list, the panel and the tab's memory follow. */
function shown() {
  hideOthers(room.chat?.key);
  sessionStorage.setItem("chat", room.chat?.key ?? "");
  drawChats();
  related.look({ key: room.chat?.key, text: byId("draft").value });
}

async function refresh() {
  try {
    ({ chats, starters } = await ask("chats"));
    if (!room.chat && !room.note && !room.sending) room.draw();
    sessionStorage.setItem("chat", room.chat?.key ?? "");
  } catch {
    chats ??= [];
  }
  drawChats();
  related.draw();
}

function view(name) {
  document.body.dataset.view = name;
  for (const button of byId("tabs").children) button.toggleAttribute("aria-current", button.dataset.view === name);
  if (name === "memory") memory.look();
  if (name === "pipeline") pipeline.look();
}

function goSearch() {
  view("search");
  byId("query").focus();
}

function drawPeople() {
  const current = everybody.findIndex((one) => same(one, rememberedPerson()));
  const options = everybody.map((one, index) => el("option", { value: String(index), selected: index === current }, nameOf(one)));
  byId("person").replaceChildren(...options);
}

function nameOf({ tenant_id: tenant, user_id: user }) {
  return `${user === tenant ? say("shared") : readable(user)} · ${readable(tenant)}`;
}

const readable = (id) => id.replace(/[-_]+/g, " ").replace(/(^|\s)\p{Ll}/gu, (start) => start.toUpperCase());
const same = (one, other) => one.tenant_id === other?.tenant_id && one.user_id === other?.user_id;
/** Whom a new visitor meets: somebody who has most to be asked about, in the visitor's language. */
function host() {
  const most = (some) => some.reduce((best, one) => (one.questions > best.questions ? one : best), some[0]);
  const alike = everybody.filter((one) => one.language === language());
  return most(alike.length ? alike : everybody);
}

const remembered = () => everybody.find((one) => same(one, rememberedPerson()));

function drawChats() {
  const list = byId("chats");
  list.setAttribute("aria-busy", String(chats === null));
  if (chats === null) list.replaceChildren(...[1, 2, 3].map(() => el("li", { className: "ghost" })));
  else if (!chats.length) list.replaceChildren(el("li", { className: "empty" }, say("noChats")));
  else list.replaceChildren(...chats.map(drawChat));
}

function drawChat(chat) {
  const button = el(
    "button",
    { type: "button", data: { key: chat.key }, on: { click: () => choose(chat.key) } },
    el("span", { className: "title", lang: languageOf(chat.title) }, chat.title),
    el("span", { className: "when" }, moment(chat.updated_at)),
  );
  if (chat.key === room.chat?.key) button.setAttribute("aria-current", "true");
  return el("li", {}, button);
}

function choose(key) {
  view("chat");
  return room.open(key);
}

/** Try until it works: at the start there may be no server yet. */
async function patiently(action) {
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (error.code === "no_person") throw error;
      connected(false);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}
