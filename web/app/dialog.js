// The frame of all dialogs: the browser's own, with its focus trap, Escape and inertness.
import { byId, el, icon, styles } from "./dom.js";
import { keepFocus } from "./list.js";

/**
 * Opens a dialog, which is removed when it closes.
 * @param {string} title   its accessible name
 * @param {(Node|null|false)[]} content
 * @param {HTMLElement} [focus]  what to begin with
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, content, focus) {
  document.querySelectorAll("dialog[open]").forEach((other) => other.close());
  const refocus = keepFocus();
  const id = "dialog-title";
  const dialog = el("dialog", { "aria-labelledby": id },
    el("div.dialog-head", {}, el("h2", { id }, title),
      el("button.plain", { type: "button", "aria-label": "Close", onclick: () => dialog.close() }, icon("x"))),
    ...content.filter(Boolean));
  dialog.addEventListener("close", () => {
    document.body.append(byId("toasts")); // messages lie over a dialog, so they were in it
    dialog.remove();
    refocus();
  });
  // A press on the backdrop, that also began there.
  let pressed = null;
  dialog.addEventListener("pointerdown", (event) => { pressed = event.target; });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog && pressed === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.append(byId("toasts"));
  styles("/dialogs.css").then(() => {
    dialog.showModal();
    if (focus) focus.focus();
  });
  return dialog;
}

/** @param {string} label @param {HTMLElement} input @param {string} [hint] @returns {HTMLElement} */
export const field = (label, input, hint) => el("label.field", {}, el("span", {}, label), input, hint && el("small", {}, hint));

/** @param {[string, string][]} options @param {string} value @returns {HTMLSelectElement} */
export function select(options, value) {
  const node = el("select", {}, ...options.map(([key, label]) => el("option", { value: key }, label)));
  node.value = value;
  return node;
}

/** @param {string} legend @param {string} name @param {[string, string][]} options @param {string} value @param {(value: string) => void} [on] */
export function segments(legend, name, options, value, on) {
  return el("fieldset.segments", { "aria-label": legend, onchange: (event) => on?.(event.target.value) },
    ...options.map(([key, label]) => el("label", {}, el("input", { type: "radio", name, value: key, checked: key === value }), label)));
}
