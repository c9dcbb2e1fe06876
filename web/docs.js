// The page of the API's description: reads /openapi.json and shows it. Text is set as text, never as HTML.

const METHODS = ["get", "post", "put", "patch", "delete"];
const token = document.getElementById("token");
let api;

// el("p.soft", {id: "x", onclick: f}, "text", child…)
function el(what, properties = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = Object.assign(document.createElement(tag), properties);
  if (classes.length) {
    element.classList.add(...classes);
  }
  element.append(...children.filter((child) => child != null && child !== ""));
  return element;
}

// `code` in a sentence.
function prose(text, tag = "p") {
  return el(tag, {}, ...(text ?? "").split("`").map((part, i) => (i % 2 ? el("code", {}, part) : part)));
}

function resolve(value) {
  while (value?.$ref) {
    value = value.$ref.slice(2).split("/").reduce((at, name) => at[name], api);
  }
  return value;
}

const nameOf = (schema) => schema?.$ref?.split("/").pop();

function typeOf(schema) {
  if (schema.$ref) {
    return nameOf(schema);
  }
  if (schema.anyOf && !schema.type) {
    return schema.anyOf.map(typeOf).join(" or ");
  }
  const types = [schema.type ?? "anything"].flat().map((type) =>
    type === "array" && schema.items ? `list of ${typeOf(schema.items)}` : type);
  return types.join(" or ") + (schema.format ? ` (${schema.format})` : "");
}

function limitsOf(schema) {
  const limits = [];
  const range = (low, high, unit) => {
    if (low != null || high != null) {
      limits.push(low == null ? `at most ${high}${unit}` : high == null ? `from ${low}${unit}` : `${low} to ${high}${unit}`);
    }
  };
  range(schema.minLength, schema.maxLength, " characters");
  range(schema.minimum, schema.maximum, "");
  range(schema.minItems, schema.maxItems, " items");
  if (schema.default !== undefined) {
    limits.push(`default ${schema.default}`);
  }
  return limits.join(", ");
}

function fieldRow(name, schema, needed, description) {
  const words = (schema.enum ?? (schema.const === undefined ? [] : [schema.const])).filter((word) => word !== null);
  const said = [description ?? schema.description, schema.items?.description].filter(Boolean).join(" ");
  return el("tr", {},
    el("td", {}, el("code", {}, name), needed ? el("span.needed", {}, "needed") : ""),
    el("td", {},
      el("span.type", {}, [typeOf(schema), limitsOf(schema)].filter(Boolean).join(", ")),
      words.length ? el("div", {}, ...words.flatMap((word) => [el("code", {}, String(word)), " "])) : "",
      said ? prose(said, "div") : ""));
}

function schemaTable(given, sent = false) {
  const schema = resolve(given);
  if (schema.type === "array") {
    const inner = resolve(schema.items);
    return el("div", {}, el("p.soft", {}, `A list of ${nameOf(schema.items) ?? typeOf(inner)}`), schemaTable(schema.items));
  }
  const choices = (schema.anyOf ?? []).map(resolve).filter((choice) => choice.properties && !schema.type);
  if (choices.length) {
    return el("div", {}, el("p.soft", {}, typeOf(schema)), ...choices.map((choice) => schemaTable(choice, sent)));
  }
  if (!schema.properties) {
    return el("p.soft", {}, typeOf(schema));
  }
  const rows = Object.entries(schema.properties).map(([name, property]) =>
    fieldRow(name, property, sent && schema.required?.includes(name)));
  return el("div", {}, schema.description ? prose(schema.description) : "", el("table.fields", {}, el("tbody", {}, ...rows)));
}

// A value that the schema allows, for show.
function sample(given, depth = 0) {
  const schema = resolve(given) ?? {};
  const first = [schema.const, schema.examples?.[0], schema.default, schema.enum?.[0]].find((value) => value !== undefined);
  if (first !== undefined) {
    return first;
  }
  if (schema.anyOf && !schema.type) {
    return sample(schema.anyOf[0], depth);
  }
  const type = [schema.type].flat()[0];
  if (type === "array") {
    return depth > 3 ? [] : [sample(schema.items ?? {}, depth + 1)];
  }
  if (type === "object") {
    return Object.fromEntries(Object.entries(depth > 3 ? {} : schema.properties ?? {})
      .map(([name, property]) => [name, sample(property, depth + 1)]));
  }
  const formats = { uuid: "3f2b1c9e-7d54-4b0a-9a57-0f4f2f1f6d11", "date-time": "2030-12-24T18:00:00.000Z" };
  return { string: formats[schema.format] ?? "text", integer: schema.minimum ?? 1, number: schema.minimum ?? 1, boolean: true }[type] ?? null;
}

const pretty = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

function answerBlock(status, given) {
  const answer = resolve(given);
  const blocks = Object.entries(answer.content ?? {}).map(([type, content]) => el("div", {},
    el("p.soft", {}, "As ", el("code", {}, type)),
    type.startsWith("text/") ? "" : schemaTable(content.schema),
    el("pre", { tabIndex: 0 }, pretty(content.example ?? sample(content.schema)))));
  const headers = Object.entries(answer.headers ?? {}).map(([name, header]) =>
    fieldRow(name, resolve(header).schema, false, resolve(header).description));
  return el("details.answer", {},
    el("summary", {}, el(`span.status.${status < "400" ? "ok" : "no"}`, {}, status), prose(answer.description, "span")),
    el("div", {}, ...blocks, headers.length ? el("h4", {}, "Headers") : "", headers.length ? el("table.fields", {}, el("tbody", {}, ...headers)) : ""));
}

const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;

function compact(text) {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text;
  }
}

function requestOf(path, method, operation, inputs, body) {
  const query = new URLSearchParams(), headers = {};
  let url = path;
  for (const { parameter, input } of inputs) {
    if (parameter.in === "path") {
      url = url.replace(`{${parameter.name}}`, encodeURIComponent(input.value || `{${parameter.name}}`));
    } else if (input.value !== "" && parameter.in === "query") {
      query.set(parameter.name, input.value);
    } else if (input.value !== "") {
      headers[parameter.name] = input.value;
    }
  }
  if (operation.security?.length) {
    headers.Authorization = `Bearer ${token.value}`;
  }
  const text = body?.value.trim();
  if (text) {
    headers["Content-Type"] = Object.keys(operation.requestBody.content)[0];
  }
  const search = query.size ? `?${query}` : "";
  return { url: url + search, options: { method: method.toUpperCase(), headers, body: text || undefined } };
}

// The token itself is for the clipboard alone.
function curlOf({ url, options }, whole) {
  const words = ["curl", ...(options.method === "GET" ? [] : [`-X ${options.method}`])];
  for (const [name, value] of Object.entries(options.headers)) {
    words.push(`-H ${name === "Authorization" && !(whole && token.value) ? '"Authorization: Bearer $TOKEN"' : quoted(`${name}: ${value}`)}`);
  }
  if (options.body) {
    words.push(`-d ${quoted(compact(options.body))}`);
  }
  return [...words, quoted(location.origin + url)].join(" ");
}

async function show(reply, output) {
  const type = reply.headers.get("content-type") ?? "";
  const stands = ["etag", "link", "location", "x-total-count", "retry-after", "content-type"]
    .filter((name) => reply.headers.get(name)).map((name) => `${name}: ${reply.headers.get(name)}`).join("\n");
  const text = el("pre", { tabIndex: 0 });
  output.replaceChildren(
    el("p", {}, el(`span.status.${reply.ok ? "ok" : "no"}`, {}, String(reply.status)), el("small.soft", {}, stands.replaceAll("\n", " · "))), text);
  if (type.startsWith("text/event-stream")) {
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      text.append(part.value);
    }
    return;
  }
  const body = await reply.text();
  try {
    text.textContent = pretty(JSON.parse(body));
  } catch {
    text.textContent = body || "(no body)";
  }
}

function userOf(text) {
  try {
    return JSON.parse(atob(text.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sub ?? "";
  } catch {
    return "";
  }
}

function tryBlock(path, method, operation) {
  const inputs = (operation.parameters ?? []).map((parameter) => {
    const words = parameter.schema.enum ?? (parameter.schema.type === "boolean" ? ["true", "false"] : null);
    const input = words ? el("select", {}, el("option", { value: "" }, ""), ...words.map((word) => el("option", {}, word)))
      : el("input", { spellcheck: false, placeholder: parameter.schema.examples?.[0] ?? parameter.schema.format ?? "" });
    return { parameter, input };
  });
  const content = operation.requestBody && Object.values(operation.requestBody.content)[0];
  const body = content && el("textarea", { spellcheck: false, value: pretty(content.example ?? sample(content.schema)) });
  const curl = el("pre.curl", { tabIndex: 0 }), output = el("div"), request = () => requestOf(path, method, operation, inputs, body);
  if (body) {
    body.rows = Math.min(body.value.split("\n").length + 1, 16);
  }
  let running;
  const refresh = () => { curl.textContent = curlOf(request()); };
  const send = el("button.main", { type: "button" }, "Send");
  const stop = el("button", { type: "button", hidden: true, onclick: () => running.abort() }, "Stop");
  const copy = el("button", { type: "button", onclick: async () => {
    await navigator.clipboard.writeText(curlOf(request(), true));
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy as curl"; }, 1500);
  } }, "Copy as curl");
  send.onclick = async () => {
    running = new AbortController();
    send.disabled = true;
    stop.hidden = false;
    output.replaceChildren(el("p.soft", {}, "Asking…"));
    try {
      const { url, options } = request();
      await show(await fetch(url, { ...options, signal: running.signal }), output);
    } catch (error) {
      output.append(el("p.soft", {}, error.name === "AbortError" ? "Stopped." : `There is no answer: ${error.message}`));
    }
    send.disabled = false;
    stop.hidden = true;
  };
  const block = el("div.try", { oninput: refresh },
    el("h4", {}, "Try it"),
    inputs.length ? el("div.grid", {}, ...inputs.map(({ parameter, input }) =>
      el("label", {}, parameter.name + (parameter.required ? " (needed)" : ""), input))) : "",
    body ? el("div.body", {}, el("label", {}, "Body", body)) : "",
    el("div.row", {}, send, stop, copy), curl, output);
  // The user of a path is the one that the token names.
  const named = () => {
    for (const { parameter, input } of inputs) {
      if (parameter.in === "path" && parameter.name === "user_id" && token.value) {
        input.value = userOf(token.value);
      }
    }
    refresh();
  };
  token.addEventListener("input", named);
  named();
  return block;
}

function details(path, method, operation) {
  const rows = (place) => (operation.parameters ?? []).filter((parameter) => parameter.in === place)
    .map((parameter) => fieldRow(parameter.name, parameter.schema, parameter.required, parameter.description ?? parameter.schema.description));
  const tables = [["path", "In the path"], ["query", "In the query"], ["header", "Headers"]].flatMap(([place, title]) => {
    const list = rows(place);
    return list.length ? [el("h4", {}, title), el("table.fields", {}, el("tbody", {}, ...list))] : [];
  });
  const bodies = Object.entries(operation.requestBody?.content ?? {}).flatMap(([type, content]) =>
    [el("h4", {}, `Body${operation.requestBody.required ? "" : ", if any"}: ${type}`), schemaTable(content.schema, true)]);
  return el("div", {},
    operation.description ? prose(operation.description) : "",
    operation.security?.length ? el("p.soft", {}, "Needs a bearer token.") : "",
    ...tables, ...bodies,
    el("h4", {}, "Answers"), ...Object.entries(operation.responses).map(([status, answer]) => answerBlock(status, answer)),
    tryBlock(path, method, operation));
}

function operationBlock(path, method, operation) {
  const block = el("details.operation", { id: operation.operationId ?? `${method}-${path}` },
    el("summary", {}, el(`span.method.${method}`, {}, method.toUpperCase()), el("span.path", {}, path), el("h3", {}, operation.summary)));
  // What is folded is made when it is opened.
  block.addEventListener("toggle", () => {
    if (block.open && block.children.length === 1) {
      block.append(details(path, method, operation));
    }
  });
  return block;
}

function openNamed() {
  const block = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (block?.matches("details.operation")) {
    block.open = true;
    block.scrollIntoView();
  }
}

function render() {
  document.title = `${api.info.title}: API`;
  document.getElementById("title").replaceChildren(api.info.title, el("small", {}, `API ${api.info.version}`));
  const main = document.getElementById("main"), nav = document.getElementById("nav");
  main.replaceChildren(api.info.description ? prose(api.info.description) : "",
    el("p.soft", {}, "The same for programs: ", el("a", { href: "/openapi.json" }, "/openapi.json"), " (OpenAPI 3.1)."));
  for (const tag of api.tags) {
    const blocks = [], links = [];
    for (const [path, item] of Object.entries(api.paths)) {
      for (const method of METHODS.filter((name) => (item[name]?.tags ?? ["Service"]).includes(tag.name) && item[name])) {
        const operation = item[method];
        blocks.push(operationBlock(path, method, operation));
        links.push(el("a", { href: `#${blocks.at(-1).id}` }, el(`span.method.${method}`, {}, method.toUpperCase()), operation.summary));
      }
    }
    if (blocks.length) {
      main.append(el("h2", {}, tag.name), tag.description ? prose(tag.description) : "", ...blocks);
      nav.append(el("b", {}, tag.name), ...links);
    }
  }
  addEventListener("hashchange", openNamed);
  openNamed();
}

// Kept while the tab lives, and nowhere else.
token.value = sessionStorage.getItem("docs-token") ?? "";
token.addEventListener("input", () => sessionStorage.setItem("docs-token", token.value));

try {
  const reply = await fetch("/openapi.json");
  if (!reply.ok) {
    throw new Error(`the service answered ${reply.status}`);
  }
  api = await reply.json();
  render();
} catch (error) {
  document.getElementById("state").textContent = `The description could not be read: ${error.message}`;
}
