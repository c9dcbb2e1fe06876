// Where tokens come from, as the server was told.
import { accept } from "./session.js";

let config = null;

/** @returns {Promise<{sign_in: string, token_url: string|null, sign_in_url: string|null}>} */
export async function settings() {
  config ??= await (await fetch("/config.json")).json();
  return config;
}

/** Gets a new one by the user's cookies there. @returns {Promise<"good"|"ended"|"unreachable">} */
export async function renew() {
  const { sign_in, token_url } = await settings();
  if (sign_in !== "provider") return "ended";
  const answer = await fetch(token_url, { credentials: "include", headers: { Accept: "application/json" } });
  if (answer.status === 401 || answer.status === 403) return "ended";
  if (!answer.ok) return "unreachable";
  return accept(String((await answer.json())?.token ?? "")) ? "good" : "ended";
}
