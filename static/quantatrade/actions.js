// Shows the form of an action in a dialog over the page that has its button. The form is the one
// that the button leads to; if it cannot be read, the button leads there as without this script.
"use strict";

(() => {
  const TIMEOUT_MS = 5000;

  async function formOf(url) {
    const response = await fetch(url, {
      credentials: "same-origin",
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const form = page.getElementById("qt-action");
    if (!form) throw new Error("no form in the answer");
    return form;
  }

  function show(form) {
    const dialog = document.createElement("dialog");
    dialog.className = "qt-dialog";
    dialog.append(document.adoptNode(form));
    dialog.addEventListener("close", () => dialog.remove());
    dialog.addEventListener("click", (event) => {
      const closes = event.target === dialog || event.target.closest("[data-qt-close]");
      if (!closes) return;
      event.preventDefault();
      dialog.close();
    });
    document.body.append(dialog);
    dialog.showModal();
    const first = form.querySelector("input:not([type=hidden]), select, textarea");
    if (first) first.focus();
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("a[data-qt-operation]");
    const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (!button || !plain) return;
    event.preventDefault();
    try {
      show(await formOf(button.href));
    } catch {
      window.location.assign(button.href);
    }
  });

  // The server does a form once however often it is sent; this spares the second sending.
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "qt-action") return;
    const button = event.target.querySelector("button[type=submit]");
    window.setTimeout(() => { button.disabled = true; }, 0);
  });
})();
