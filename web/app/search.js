// Searching, here and for older tasks on the server.
import { call } from "./api.js";
import { byId } from "./dom.js";
import * as list from "./list.js";
import * as live from "./live.js";
import * as store from "./store.js";

/** Begins to listen to the field. */
export function start() {
  const field = byId("search");
  let timer;
  field.addEventListener("input", () => {
    list.searchFor(field.value);
    clearTimeout(timer);
    // Older completed tasks are not all here.
    timer = setTimeout(async () => {
      const text = field.value.trim();
      if (!text || live.connection() !== "live") return;
      const { data } = await call("GET", "/api/tasks?limit=100&search=" + encodeURIComponent(text)).catch(() => ({ data: [] }));
      data.forEach(store.accept);
    }, 300);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    field.value = "";
    list.searchFor("");
  });
  if (field.value) list.searchFor(field.value); // typed before this module was here
}
