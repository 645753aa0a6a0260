// Runs before the page is drawn, so that it never flashes in the other theme.
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("theme"); } catch { /* kept nowhere, then */ }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
