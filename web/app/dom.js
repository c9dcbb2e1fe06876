// Building elements. Data becomes text nodes and attributes only, so nothing a user wrote is markup.

/**
 * @param {string} tag  a name with classes: "button.quiet.small"
 * @param {Object<string, any>} [props]  attributes; `on…` are listeners, `value` and `checked` properties;
 *   null, undefined and false are left out
 * @param {...(Node|string|null|undefined|false)} children
 * @returns {any} the element
 */
export function el(tag, props, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name);
  if (classes.length) node.className = classes.join(" ");
  for (const [key, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/**
 * @param {string} id  of an element that index.html has
 * @returns {any}
 */
export const byId = (id) => document.getElementById(id);

/**
 * A picture from the sprite in index.html; decoration only.
 * @param {string} name
 * @returns {SVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", "#i-" + name);
  svg.append(use);
  return svg;
}

/** @returns {boolean} whether the user asked for less motion */
export const stillness = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** @param {number} count @param {string} word @returns {string} "1 task", "2 tasks" */
export const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

const loaded = new Map();

/** Loads styles that not every visit needs, once. @param {string} href @returns {Promise<void>} */
export function styles(href) {
  if (!loaded.has(href)) {
    loaded.set(href, new Promise((resolve) => {
      // Without them it is plain, but it works.
      document.head.append(el("link", { rel: "stylesheet", href, onload: resolve, onerror: resolve }));
    }));
  }
  return loaded.get(href);
}
