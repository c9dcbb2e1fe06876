// Signing in, and saying that the sign-in has ended.
import { el, icon, styles } from "./dom.js";
import { settings } from "./provider.js";
import * as session from "./session.js";

const WENT = "went-to-sign-in"; // of this tab: the provider sent us back without a token

function tokenForm() {
  const problem = el("p.problem-text", { role: "alert" });
  const field = el("input", { type: "password", autocomplete: "off", spellcheck: "false", required: true });
  return el("form.token", { onsubmit: (event) => {
    event.preventDefault();
    const claims = session.claimsOf(session.bare(field.value));
    if (!claims) problem.textContent = "This is not a token. A token has three parts, joined by dots.";
    else if (claims.exp * 1000 < Date.now()) problem.textContent = "This token has ended already.";
    else session.accept(field.value);
  } }, el("label.field", {}, el("span", {}, "Token"), field), problem, el("button.primary", { type: "submit" }, "Sign in"));
}

function provider(config) {
  return config.sign_in_url
    ? el("a.primary", { href: config.sign_in_url, onclick: () => sessionStorage.removeItem(WENT) }, "Sign in")
    : el("p", {}, "Sign in where your account is, then come back.");
}

async function ways() {
  const config = await settings();
  if (config.sign_in === "provider") {
    return [provider(config), el("button.secondary", { type: "button", onclick: () => session.refresh() }, "Try again")];
  }
  if (config.sign_in === "local") {
    return [el("p", {}, "Open the address that ", el("code", {}, "make run"), " printed: it holds a token. Or paste one here."),
      tokenForm()];
  }
  return [el("p", {}, "Paste a token of your identity provider."), tokenForm()];
}

/**
 * What is shown instead of the tasks. Where a provider is known, the user is sent there, once.
 * @param {HTMLElement} place
 */
export async function screen(place) {
  document.body.classList.add("signed-out");
  place.hidden = false;
  await styles("/dialogs.css");
  try {
    const config = await settings();
    if (config.sign_in === "provider" && config.sign_in_url && !sessionStorage.getItem(WENT)
      && await session.refresh() === "ended") {
      sessionStorage.setItem(WENT, "1");
      location.assign(config.sign_in_url);
      return;
    }
    place.replaceChildren(el("h2", {}, "Sign in"), ...await ways());
  } catch {
    place.replaceChildren(icon("cloud"), el("h2", {}, "No connection"),
      el("p", {}, "You are not signed in on this device, and the server cannot be reached."),
      el("button.primary", { type: "button", onclick: () => location.reload() }, "Try again"));
  }
}

/**
 * The sign-in has ended while the page is in use: what is there stays readable, changes wait.
 * @param {HTMLElement} place
 */
export async function banner(place) {
  await styles("/dialogs.css");
  place.replaceChildren(el("p", {}, el("strong", {}, "Your sign-in has ended. "),
    "You can go on; changes are kept here and sent when you are signed in again."));
  place.append(...await ways().catch(() => []));
}
