// Short messages at the edge of the page, with one thing to do about them.
import { byId, el, icon, stillness, styles } from "./dom.js";

const SHOWN = 3;

/**
 * @param {string} text
 * @param {object} [options]
 * @param {string} [options.label]          of the button
 * @param {() => void} [options.action]     what the button does
 * @param {"info"|"problem"} [options.kind] a problem stays until it is closed
 * @returns {() => void} takes it away
 */
export function toast(text, { label, action, kind = "info" } = {}) {
  let timer, over = false;
  const close = () => {
    over = true;
    clearTimeout(timer);
    if (!node.isConnected) return;
    if (stillness()) node.remove();
    else node.animate([{}, { opacity: 0, translate: "0 .5rem" }], 140).onfinish = () => node.remove();
  };
  const node = el(`div.toast.${kind}`, {},
    el("span", {}, text),
    label && el("button.link", { type: "button", onclick: () => { close(); action?.(); } }, label),
    el("button.plain", { type: "button", "aria-label": "Dismiss", onclick: close }, icon("x")));
  styles("/later.css").then(() => {
    if (over) return;
    const place = byId("toasts"); // in the open dialog, where there is one
    while (place.children.length >= SHOWN) (place.querySelector(".info") ?? place.firstChild).remove();
    place.append(node);
  });
  // A pointer or the focus on it holds it.
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => (node.matches(":hover, :focus-within") ? wait() : close()),
      kind === "problem" ? 30000 : label ? 10000 : 4000);
  };
  wait();
  return close;
}
