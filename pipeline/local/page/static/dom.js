// Builds elements. Whatever people or memory wrote goes in as text nodes only.

export const byId = (id) => document.getElementById(id);

/** Make an element. Properties are set as such; `data`, `aria` and `on` take objects; children are nodes or text. */
export function el(tag, properties = {}, ...children) {
  const { data = {}, aria = {}, on = {}, ...own } = properties;
  const element = document.createElement(tag);
  Object.assign(element, own);
  Object.assign(element.dataset, data);
  for (const [name, value] of Object.entries(aria)) element.setAttribute(name === "role" ? "role" : `aria-${name}`, value);
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** Tell a screen reader something that the eye sees elsewhere. */
export function announce(text) {
  byId("announce").textContent = text;
}

/** Call `action` once nothing has been asked for `milliseconds`. */
export function debounced(action, milliseconds) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), milliseconds);
  };
}

/** The language a text is in, as far as the eye can tell: it decides the shape of shared characters, and the voice. */
export function languageOf(text) {
  return /[\u3041-\u30ff]/.test(text.slice(0, 2000)) ? "ja" : /[\u4e00-\u9fff]/.test(text.slice(0, 200)) ? "ja" : "en";
}
