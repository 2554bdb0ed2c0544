// The pipeline as it is now: what waits, what failed and why, how long it takes, what it costs.

import { confirmed } from "./asking.js";
import { byId, el } from "./dom.js";
import { ask } from "./server.js";
import { knows, language, moment, say } from "./words.js";

const EVERY_MS = 2000;
let seen = null;
let away = false;
let timer = 0;
let whose = 0; // counts the people shown so far: what was asked for one is not shown to the next
let offered = "";
let told = null; // what came of the last redrive, in words and values

/** Look every two seconds for as long as `shows` says so. */
export function pipelineRoom({ shows }) {
  return { draw, look, forgetAll };

  async function look() {
    clearTimeout(timer);
    if (!shows()) return;
    const person = whose;
    const found = await ask("pipeline").catch(() => null);
    if (person !== whose) return;
    seen = found ?? seen;
    away = found === null;
    draw();
    clearTimeout(timer);
    timer = setTimeout(look, EVERY_MS);
  }

  /** What one person was shown and told is not the next one's. */
  function forgetAll() {
    whose += 1;
    seen = null;
    told = null;
    for (const id of ["figures", "letters", "redrives"]) byId(id).replaceChildren();
    for (const id of ["letters-help", "redrive-state", "audit"]) byId(id).textContent = "";
    offered = "";
    clearTimeout(timer);
  }

  function draw() {
    byId("pipeline-state").textContent = away ? say("failed") : seen ? "" : say("looking");
    if (!seen) return;
    byId("figures").replaceChildren(...figures().flatMap(([name, value]) => [el("dt", {}, say(`figure.${name}`)), el("dd", { data: { figure: name } }, value)]));
    byId("letters").replaceChildren(...seen.letters.map(drawLetter));
    byId("letters-help").textContent = seen.dead ? say("lettersHelp") : say("noLetters");
    byId("redrive-state").textContent = told ? say(...told) : "";
    byId("audit").textContent = audit();
    drawRedrives();
  }

  /** A button a cause; they are made anew only when they change, so that a press or the focus is not lost. */
  function drawRedrives() {
    const causes = [...new Set(seen.letters.filter((letter) => letter.key !== null).map((letter) => letter.cause))].sort();
    const wanted = [language(), ...causes].join(" ");
    if (wanted === offered) return;
    offered = wanted;
    byId("redrives").replaceChildren(...causes.map((cause) => el("li", {}, el("button", { type: "button", className: "plain", data: { redrive: cause }, on: { click: () => redrive(cause) } }, say("redriveCause", { cause })))));
  }

  async function redrive(cause) {
    if (!(await confirmed(say("askRedriveTitle", { cause }), say("askRedrive"), { yes: "redrive", danger: false }))) return;
    const person = whose;
    told = ["sending"];
    draw();
    const outcome = await ask("redrive", { cause }).then(sentAgain, (error) => [knows(error.code) ? error.code : "failed"]);
    if (person !== whose) return;
    told = outcome;
    await look();
  }
}

const sentAgain = ({ sent, left }) => (left ? ["redrivenSome", { count: sent, left }] : ["redriven", { count: sent }]);

function audit() {
  if (!seen.audit) return say("noAudit");
  const { at, items, counts, unexplained } = seen.audit;
  const found = Object.entries(counts).map(([kind, count]) => say("auditCount", { kind: say(`audit.${kind}`), count }));
  const hidden = unexplained ? say("auditHidden", { count: unexplained }) : "";
  return [say("audited", { when: moment(at * 1000), count: items, found: found.join(say("comma")) || say("noDifferences") }), hidden].filter(Boolean).join(" ");
}

function figures() {
  const number = (value, options = {}) => new Intl.NumberFormat(language(), options).format(value);
  return [
    ["waiting", number(seen.waiting)],
    ["delayed", number(seen.delayed)],
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
