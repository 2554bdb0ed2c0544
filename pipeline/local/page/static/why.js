// Why a hit stands where it stands: the numbers that the search went by.

import { el } from "./dom.js";
import { ask } from "./server.js";
import { language, say } from "./words.js";

/** Details of `hit` that are asked for when they are opened; `asked` gives the search they belong to, `opened` what was open before. */
export function whyOf(hit, asked, opened) {
  const numbers = el("dl", { className: "figures" });
  const details = el("details", { className: "because", open: opened.has(hit.id) }, el("summary", {}, say("whyTitle")), numbers);
  details.addEventListener("toggle", () => {
    if (!details.open) return opened.delete(hit.id);
    if (!numbers.childElementCount) fill(numbers, hit, asked());
    return opened.add(hit.id);
  });
  return details;
}

async function fill(numbers, hit, asked) {
  try {
    const told = await ask("why", { ...asked, id: hit.id });
    numbers.replaceChildren(...rows(told).flatMap(([name, value]) => [el("dt", {}, say(`why.${name}`)), el("dd", { data: { why: name } }, value)]));
  } catch {
    numbers.replaceChildren(el("dt", {}, say("failed")));
  }
}

function rows({ passage, similarity, confidence }) {
  const number = (value, digits = 2) => new Intl.NumberFormat(language(), { maximumFractionDigits: digits }).format(value);
  const words = Object.entries(passage.words).map(([term, weight]) => `${term} ${number(weight)}`);
  return [
    ["score", number(passage.score)],
    ["similarity", say("whySimilarity", { value: number(passage.similarity), usual: number(similarity.usual), out: number(passage.stands_out) })],
    ["words", words.length ? say("whyWords", { words: words.join(", "), share: number(100 * passage.words_share, 0) }) : say("whyNoWords")],
    ["age", number(passage.age_factor)],
    ...(passage.of_time_asked === null ? [] : [["time", say(passage.of_time_asked ? "yes" : "no")]]),
    ...(passage.superseded_by ? [["superseded", say("yes")]] : []),
    ["confidence", number(confidence)],
  ];
}
