// Calls of the server: with the token, once more after a refused one, and errors of two kinds.
import * as session from "./session.js";

/** The server answered, and not with what was asked for. */
export class Refused extends Error {
  /** @param {number} status @param {string} detail */
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** Nobody answered, or only for now: the same call may work later. */
export class Unreachable extends Error {}

/**
 * fetch with the token. Throws Unreachable without a network, Refused(401) without a token.
 * @param {string} path
 * @param {RequestInit & {headers?: Object<string, string>}} [options]
 * @returns {Promise<Response>}
 */
export async function open(path, options = {}) {
  for (let again = false; ; again = true) {
    const token = await session.usable();
    if (!token) throw new Refused(401, "You are not signed in");
    let answer;
    try {
      answer = await fetch(path, { ...options, cache: "no-store",
        headers: { ...options.headers, Authorization: "Bearer " + token } });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Unreachable("The server cannot be reached");
    }
    if (answer.status !== 401) return answer;
    if (again || await session.refresh() !== "good") {
      session.ended();
      throw new Refused(401, "The sign-in has ended");
    }
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {object} [options]
 * @param {any} [options.json]                     the body
 * @param {string} [options.text]                  the body as it is
 * @param {Object<string, string>} [options.headers]
 * @param {AbortSignal} [options.signal]
 * @returns {Promise<{data: any, headers: Headers}>}
 */
export async function call(method, path, { json, text, headers = {}, signal } = {}) {
  if (json !== undefined) headers = { ...headers, "Content-Type": "application/json" };
  const answer = await open(path, { method, headers, signal,
    body: json !== undefined ? JSON.stringify(json) : text });
  let data;
  try {
    data = await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (answer.ok) throw new Unreachable("The answer broke off");
  }
  if (answer.ok) return { data, headers: answer.headers };
  const detail = typeof data?.detail === "string" ? data.detail : `The server answered ${answer.status}`;
  if (answer.status >= 500 || answer.status === 429) throw new Unreachable(detail);
  throw new Refused(answer.status, detail);
}
