// Measures of the page, run inside it by test_access.py.

const shown = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest(".unseen") && element.getClientRects().length > 0;
const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);
const CONTROLS = "a[href], button, summary, input, select, textarea, [tabindex='0']";

function named(element) {
  return `${element.tagName.toLowerCase()}${element.id ? `#${element.id}` : ""} ${(element.getAttribute("aria-label") ?? element.textContent ?? "").trim().slice(0, 30)}`.trim();
}

function stickingOut() {
  const scrollsAside = (element) => element.closest("pre") && element.tagName !== "PRE";
  const sticking = all("body *").filter((element) => !scrollsAside(element) && !element.closest("svg") && element.getBoundingClientRect().right > innerWidth + 0.5);
  const clipped = all(".scroller, .chat-list, main, .foot, .room-head").filter((element) => element.scrollWidth > element.clientWidth + 1);
  return [...sticking, ...clipped, ...(document.documentElement.scrollWidth > innerWidth ? [document.body] : [])].map(named);
}

function nameless() {
  const name = (element) =>
    (element.getAttribute("aria-label") || [...(element.labels ?? [])].map((one) => one.textContent).join(" ") || labelled(element) || (element.matches("a, button, pre, summary") && element.textContent) || "").trim();
  return all(CONTROLS).filter((element) => !name(element)).map(named);
}

const labelled = (element) => document.getElementById(element.getAttribute("aria-labelledby") ?? "")?.textContent ?? "";

function untranslated() {
  const english = /^(Conversations?|Send|Search|Forget|Related|Chat|Message|Everything|Anybody|From|To|Kind|You|Assistant)\b/;
  return all("[data-text], .name").filter((element) => english.test(element.textContent.trim())).map(named);
}

function repeatedIds() {
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  return ids.filter((id, index) => ids.indexOf(id) !== index);
}

function focusable() {
  return all(CONTROLS).filter((element) => !element.disabled && element.tabIndex >= 0).map(named);
}

function focused() {
  const element = document.activeElement;
  const ring = element.matches(".card .open") ? element.closest(".card") : element;
  const style = getComputedStyle(ring);
  const box = element.getBoundingClientRect();
  const inside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  return { name: named(element), visible: inside && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && getComputedStyle(element).opacity !== "0" };
}

// Contrast as WCAG 2.2 defines it, of computed colours, each laid over what lies behind it.

const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });

function rgba(colour) {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
  return [red, green, blue, alpha / 255];
}

const over = (top, under) => top.slice(0, 3).map((value, index) => value * top[3] + under[index] * (1 - top[3]));

function behind(element) {
  const chain = [];
  for (let one = element; one; one = one.parentElement) chain.unshift(rgba(getComputedStyle(one).backgroundColor));
  return chain.reduce((under, top) => over(top, under), [255, 255, 255]);
}

function luminance(colour) {
  const [red, green, blue] = colour.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function ratio(one, two) {
  const [light, dark] = [luminance(one), luminance(two)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

function contrasts() {
  const found = [];
  for (const element of all("body *")) {
    if (element.disabled || element.closest("svg, option")) continue;
    const style = getComputedStyle(element);
    const says = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    if (says || element.matches("input, select, textarea")) {
      const ground = behind(element);
      found.push({ what: named(element), ratio: ratio(over(rgba(style.color), ground), ground), wanted: 4.5 });
    }
    if (element.matches("#draft, #query, .field input, .field select, .plain")) {
      const ground = behind(element.parentElement);
      found.push({ what: `edge of ${named(element)}`, ratio: ratio(over(rgba(style.borderTopColor), ground), ground), wanted: 3 });
    }
    if (element.matches("textarea, input")) {
      const ground = behind(element);
      found.push({ what: `hint in ${named(element)}`, ratio: ratio(over(rgba(getComputedStyle(element, "::placeholder").color), ground), ground), wanted: 4.5 });
    }
  }
  return found;
}
