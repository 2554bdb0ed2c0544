// Asks back before something is done that somebody may not have meant. The focus returns to where it was.

import { byId } from "./dom.js";
import { say } from "./words.js";

/** Show the question; resolves to true if it is confirmed. `yes` names what the button says; what can be done again is no danger. */
export function confirmed(title, text, { yes = "forget", danger = true } = {}) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").dataset.text = yes;
  byId("confirm-yes").textContent = say(yes);
  byId("confirm-yes").classList.toggle("danger", danger);
  dialog.returnValue = "";
  dialog.showModal();
  byId("confirm-no").focus();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

export function readyToAsk() {
  byId("confirm-yes").addEventListener("click", () => byId("confirm").close("yes"));
  byId("confirm-no").addEventListener("click", () => byId("confirm").close("no"));
}
