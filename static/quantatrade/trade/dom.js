// Elements and texts. Data reaches the page as text nodes and attributes only, never as markup.

/** An element: h("button", {class: "x", onclick: f, "aria-label": "y"}, "text", child, ...). */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const $ = (id) => document.getElementById(id);

/** Set text only where it differs, so that nothing is laid out anew in vain. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false,
});
const DAY = new Intl.DateTimeFormat(undefined, {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false,
});

export const clock = (iso) => CLOCK.format(new Date(iso));

/** Today's moments to the second, others with their day. */
export function moment(iso) {
  const at = new Date(iso);
  return (at.toDateString() === new Date().toDateString() ? CLOCK : DAY).format(at);
}

/** Call `draw` at most once a frame, however often it is asked for. */
export function framed(draw) {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      draw();
    });
  };
}

/** Tell something in passing, also to screen readers. */
export function notify(text, kind = "info") {
  const toast = h("div", { class: `toast ${kind}`, role: kind === "bad" ? "alert" : "status" }, text);
  const toasts = $("toasts");
  toasts.append(toast);
  while (toasts.childElementCount > 3) toasts.firstElementChild.remove();
  setTimeout(() => toast.remove(), kind === "bad" ? 8000 : 5000);
}
