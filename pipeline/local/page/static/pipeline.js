// The pipeline as it is now: what waits, what failed and why, how long it takes, what it costs.

import { byId, el } from "./dom.js";
import { ask } from "./server.js";
import { language, say } from "./words.js";

const EVERY_MS = 2000;
let seen = null;
let away = false;
let timer = 0;

/** Look every two seconds for as long as `shows` says so. */
export function pipelineRoom({ shows }) {
  return { draw, look };

  async function look() {
    clearTimeout(timer);
    if (!shows()) return;
    try {
      seen = await ask("pipeline");
      away = false;
    } catch {
      away = true;
    }
    draw();
    timer = setTimeout(look, EVERY_MS);
  }
}

function draw() {
  byId("pipeline-state").textContent = away ? say("failed") : seen ? "" : say("looking");
  if (!seen) return;
  byId("figures").replaceChildren(...figures().flatMap(([name, value]) => [el("dt", {}, say(`figure.${name}`)), el("dd", { data: { figure: name } }, value)]));
  byId("letters").replaceChildren(...seen.letters.map(drawLetter));
  byId("letters-help").textContent = seen.dead ? say("lettersHelp") : say("noLetters");
}

function figures() {
  const number = (value, options = {}) => new Intl.NumberFormat(language(), options).format(value);
  return [
    ["waiting", number(seen.waiting)],
    ["putOff", number(seen.retried)],
    ["dead", number(seen.dead)],
    ["lag", seen.lag_p50 === null ? "–" : say("milliseconds", { ms: number(Math.round(seen.lag_p50)) })],
    ["items", number(seen.items)],
    ["chunks", `${number(seen.embedded)} / ${number(seen.reused)}`],
    ["tokens", number(seen.tokens)],
    ["dollars", number(seen.dollars, { style: "currency", currency: "USD", maximumFractionDigits: 4 })],
  ];
}

function drawLetter(letter) {
  return el(
    "li",
    { className: "piece", data: { cause: letter.cause } },
    el("p", {}, el("strong", {}, letter.cause), ` ${letter.key ?? say("otherTenant")}`),
    letter.error ? el("p", { className: "meta" }, letter.error) : null,
  );
}
