// Language and theme, remembered for the next visit.

import { byId } from "./dom.js";
import { language, say, speak } from "./words.js";

const THEMES = ["auto", "light", "dark"];

/** Take up what was chosen before; `changed` is called when another language is chosen. */
export function readySettings(changed) {
  speak(localStorage.getItem("language") ?? (navigator.language.startsWith("ja") ? "ja" : "en"));
  document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "auto";
  draw();
  byId("language").addEventListener("click", () => {
    const next = language() === "ja" ? "en" : "ja";
    localStorage.setItem("language", next);
    speak(next);
    draw();
    changed();
  });
  byId("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const next = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
    localStorage.setItem("theme", next);
    root.dataset.theme = next;
    draw();
  });
}

function draw() {
  const other = byId("language");
  other.textContent = say("otherLanguage");
  other.lang = language() === "ja" ? "en" : "ja";
  const theme = say(`theme.${document.documentElement.dataset.theme}`);
  byId("theme").setAttribute("aria-label", theme);
  byId("theme").title = theme;
}
