// Keeps the files of the page. /shell.json names them with a version; a new version is taken whole or not at
// all, and shown from the next load on. What is not one of these files goes to the network untouched.
const PREFIX = "shell-";

async function newest() {
  const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX)).sort();
  return names.length ? caches.open(names[names.length - 1]) : null;
}

/** @returns {Promise<boolean>} whether there was a newer page */
async function take() {
  const answer = await fetch("/shell.json", { cache: "no-cache" });
  if (!answer.ok) throw new Error("/shell.json: " + answer.status);
  const { version, files } = await answer.json();
  const names = await caches.keys();
  if (names.some((name) => name.endsWith("-" + version))) return false;
  // The time in the name tells which is newest.
  const name = `${PREFIX}${Date.now()}-${version}`;
  const cache = await caches.open(name);
  try {
    const paths = Object.keys(files).filter((path) => path !== "/sw.js" && !path.startsWith("/docs"));
    await cache.addAll(paths.map((path) => new Request(path, { cache: "no-cache" })));
  } catch (error) {
    await caches.delete(name);
    throw error;
  }
  return names.some((other) => other.startsWith(PREFIX));
}

async function forgetOld() {
  const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX)).sort();
  await Promise.all(names.slice(0, -1).map((name) => caches.delete(name)));
}

async function answer(request, path) {
  if (request.mode === "navigate") await forgetOld();
  const kept = await (await newest())?.match(path);
  return kept ?? fetch(request);
}

self.addEventListener("install", (event) => event.waitUntil(take().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin || url.pathname.startsWith("/api/")) return;
  event.respondWith(answer(request, url.pathname));
});

self.addEventListener("message", (event) => {
  if (event.data !== "look") return;
  event.waitUntil(take().then((newer) => newer && event.source.postMessage("updated"), () => {}));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(self.clients.matchAll({ type: "window" }).then((pages) => (pages[0] ? pages[0].focus() : self.clients.openWindow("/"))));
});
