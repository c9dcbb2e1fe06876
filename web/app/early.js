// Runs before the modules are here, as a classic script: a chosen theme must not flash, and the tasks can
// be on their way already (main.js and live.js take them).
(() => {
  const chosen = localStorage.getItem("theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  const token = /^#token=(.+)$/.exec(location.hash)?.[1] ?? localStorage.getItem("token");
  if (!token) return;
  const path = "/api/tasks?status=active&limit=1000";
  const ask = async () => {
    const answer = await fetch(path, { cache: "no-store", headers: { Authorization: "Bearer " + token } });
    return answer.ok ? { data: await answer.json(), headers: answer.headers } : null;
  };
  window.early = { path, answer: ask().catch(() => null) };
})();
