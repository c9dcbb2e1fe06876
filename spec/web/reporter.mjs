// What spec/web/run reads: a line "ok NAME" or "FAIL NAME" for each case, the error below it, and what the specs print.
// A file is a case of its own only where it failed outside of its cases.

const indent = (text) => text.replace(/^/gm, "    ");

function explain(error) {
  const cause = error?.cause ?? error;
  return indent(String(cause?.stack ?? cause?.message ?? cause));
}

export default async function* report(events) {
  for await (const { type, data } of events) {
    if (type === "test:stdout" || type === "test:stderr") yield data.message;
    if (type !== "test:pass" && type !== "test:fail") continue;
    const error = data.details?.error;
    if (data.details?.type === "suite" || error?.failureType === "subtestsFailed") continue;
    if (type === "test:pass" && data.file === data.name) continue;
    const seconds = ((data.details?.duration_ms ?? 0) / 1000).toFixed(1);
    if (type === "test:pass") yield `ok ${data.name} (${seconds} s)\n`;
    else yield `FAIL ${data.name} (${seconds} s)\n${explain(error)}\n`;
  }
}
