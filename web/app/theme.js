// Runs before the first paint, so that a chosen theme does not flash. A classic script: a module waits.
(() => {
  const chosen = localStorage.getItem("theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
})();
