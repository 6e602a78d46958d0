// Keeps the dashboard current: reads the page again while it is visible and swaps its content.
// Only the dashboard has the element this looks for; on every other page the script does nothing.
"use strict";

(() => {
  const INTERVAL_MS = 5000;
  const TIMEOUT_MS = 8000;
  const ID = "qt-dashboard";

  async function refresh() {
    const shown = document.getElementById(ID);
    if (!shown || document.hidden) return;
    const live = document.getElementById("qt-live");
    try {
      const response = await fetch(window.location.href, {
        credentials: "same-origin",
        redirect: "error",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (!response.ok) throw new Error(`status ${response.status}`);
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const fresh = page.getElementById(ID);
      if (!fresh) throw new Error("no dashboard in the answer");
      shown.replaceWith(fresh);
    } catch (error) {
      if (live) live.textContent = `; not refreshed since (${error.message})`;
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (document.getElementById(ID)) window.setInterval(refresh, INTERVAL_MS);
  });
})();
