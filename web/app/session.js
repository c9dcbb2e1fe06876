// Who is signed in: the token, and what to do when it has ended.

const KEY = "token";
const EARLY_MS = 60000; // a token is replaced this long before it ends

let refreshing = null;
const listeners = new Set();

const decode = (part) => JSON.parse(new TextDecoder().decode(Uint8Array.from(
  atob(part.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0))));

/**
 * What a token says; it is the server that verifies it.
 * @param {string|null} token
 * @returns {{sub: string, exp: number}|null}
 */
export function claimsOf(token) {
  try {
    const claims = decode(token.split(".")[1]);
    return typeof claims.sub === "string" && typeof claims.exp === "number" ? claims : null;
  } catch {
    return null;
  }
}

/** @returns {string|null} */
export const token = () => localStorage.getItem(KEY);

/** @returns {string|null} the user's id */
export const user = () => claimsOf(token())?.sub ?? null;

/** @returns {number} milliseconds until the token ends; negative: it has */
export const timeLeft = () => (claimsOf(token())?.exp ?? 0) * 1000 - Date.now();

/** @param {string} value  a token, or what it was copied with @returns {string} the token */
export const bare = (value) => value.trim().replace(/^.*#token=/, "").replace(/^Bearer\s+/i, "");

/** @param {string} value @returns {boolean} whether it is a token at all */
export function accept(value) {
  const text = bare(value);
  if (!claimsOf(text)) return false;
  localStorage.setItem(KEY, text);
  listeners.forEach((fn) => fn(true));
  return true;
}

/** Takes the token from the address, where it must not stay. */
export function takeFragment() {
  const given = /^#token=(.+)$/.exec(location.hash);
  if (!given) return;
  history.replaceState(null, "", location.pathname + location.search);
  accept(decodeURIComponent(given[1]));
}

/**
 * A new token without the user; calls at the same time share one attempt.
 * @returns {Promise<"good"|"ended"|"unreachable">}
 */
export function refresh() {
  refreshing ??= import("./provider.js").then((provider) => provider.renew()).catch(() => "unreachable").finally(() => { refreshing = null; });
  return refreshing;
}

/**
 * A token to call with, replaced where it is about to end.
 * @returns {Promise<string|null>} null: the user has to sign in
 */
export async function usable() {
  if (token() && timeLeft() > EARLY_MS) return token();
  if (await refresh() === "good") return token();
  if (token() && timeLeft() > 0) return token();
  listeners.forEach((fn) => fn(false));
  return null;
}

/** The server refused the token, or there is none: tell the page. */
export const ended = () => listeners.forEach((fn) => fn(false));

/** @param {(good: boolean) => void} fn  called when a token came (true) or none is left (false) */
export const onChange = (fn) => listeners.add(fn);

/** Forgets the token. The user's data are the caller's to remove. */
export const forget = () => localStorage.removeItem(KEY);
