// The sheet of keyboard shortcuts.
import { openDialog } from "./dialog.js";
import { el } from "./dom.js";

const caps = (keys) => keys.split(" ").flatMap((key, i) => [i ? " then " : "", el("kbd", {}, key)]);

/** @param {[string, string, () => void][]} keys  as keys.js has them */
export function open(keys) {
  openDialog("Keyboard shortcuts", [el("div.dialog-body", {}, el("dl.keys", {},
    ...keys.map(([names, what]) => el("div", {}, el("dt", {}, what), el("dd", {}, ...caps(names))))),
  el("p", {}, "Enter saves a title, Escape leaves a field. In details, Ctrl+Enter saves."))]);
}
