// The live strip: how far the last change has come on its way into memory, or out of it.

import { announce, byId, el } from "./dom.js";
import { say } from "./words.js";

const STAGES = ["saved", "notice", "embedded", "searchable"];
let shown = null;
let own = null;

/** Say which progress this tab began; its events may have gone by while the connection was lost. */
export function began(progress) {
  own = progress;
}

/** Show a progress as the server tells it; one that is done is announced once, and not told again to who was not there. */
export function showProgress(progress) {
  if (progress.again && progress.done && ![own, shown?.id].includes(progress.id)) return;
  const finished = progress.done && !(shown?.id === progress.id && shown.done);
  shown = progress;
  draw();
  if (finished) announce(say(`done.${progress.kind}`, { ms: progress.reached.searchable }));
}

export function hideProgress() {
  shown = null;
  byId("strip").hidden = true;
}

/** Hide a save's progress unless it is of the conversation that shows now. */
export function hideOthers(key) {
  if (shown?.kind === "save" && shown.key !== key) hideProgress();
}

/** Draw it anew, in the language spoken now. */
export function draw() {
  if (!shown) return;
  const strip = byId("strip");
  strip.hidden = false;
  strip.className = `strip ${shown.kind}`;
  strip.dataset.progress = shown.id;
  strip.dataset.done = String(shown.done);
  byId("strip-title").textContent = say(`strip.${shown.kind}`);
  byId("stages").replaceChildren(...STAGES.map(drawStage));
}

function drawStage(stage) {
  const { reached, kind } = shown;
  const next = STAGES.find((one) => !(one in reached));
  const state = stage in reached ? "reached" : stage === next ? "waiting" : "";
  return el(
    "li",
    { className: state, data: { stage } },
    el("span", {}, say(`stage.${kind}.${stage}`)),
    stage in reached ? el("span", { className: "time" }, say("milliseconds", { ms: reached[stage] })) : null,
  );
}
