// The service worker: it keeps the page's files, so that the page opens without a network.
import { toast } from "./toast.js";

/** Registers it, and tells when it has a newer page. */
export async function start() {
  if (!("serviceWorker" in navigator)) return;
  navigator.serviceWorker.addEventListener("message", ({ data }) => {
    if (data === "updated") toast("A new version of this page is there.", { label: "Reload", action: () => location.reload() });
  });
  try {
    await navigator.serviceWorker.register("/sw.js");
    (await navigator.serviceWorker.ready).active.postMessage("look");
  } catch (error) {
    console.warn("The page will not open offline:", error);
  }
}
