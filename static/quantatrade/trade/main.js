// The trading page. It knows what docs/API.md and docs/WEBSOCKET.md say, and nothing else.

import { mountAccount } from "./account_panel.js";
import { ApiError, rest, Session } from "./api.js";
import { mountBook, mountTrades } from "./book_panel.js";
import { INTERVALS, PriceChart } from "./chart.js";
import { mountDeposit, mountLogin } from "./dialogs.js";
import { $, h, notify, say } from "./dom.js";
import { Exchange } from "./exchange.js";
import { Feed } from "./feed.js";
import { mountMarkets } from "./market_panel.js";
import { mountTicket } from "./ticket.js";

const session = new Session();
const feed = new Feed(() => session.token, () => session.renew());
const exchange = new Exchange(feed, session);

function chooseTab(name) {
  document.body.dataset.tab = name;
  for (const button of document.querySelectorAll(".tabs button")) {
    if (button.dataset.tab === name) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
}

function mountChart() {
  const chart = new PriceChart($("chart"));
  const buttons = Object.keys(INTERVALS).map((interval) =>
    h("button", { type: "button", onclick: () => show(interval) }, interval),
  );
  $("intervals").append(...buttons);
  async function show(interval) {
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.textContent === interval));
    }
    await chart.show(exchange.terms, interval);
    performance.mark("candles-shown");
  }
  exchange.addEventListener("select", () => {
    chart.forgetTrades();
    void show(chart.interval);
  });
  exchange.addEventListener("trades", ({ detail }) => chart.take(detail.trades, detail.isSnapshot));
}

function mountSession(openLogin) {
  let followed = null; // whose private channels are open
  const who = $("who");
  const doors = [...who.children];
  const logout = h("button", { type: "button", class: "quiet", onclick: () => session.logout() },
    "Log out");
  const name = h("span", { class: "name" });

  session.addEventListener("token", () => feed.authenticate());
  session.addEventListener("ended", () => {
    openLogin("login", "Your session has ended. Log in again.");
  });
  session.addEventListener("change", () => {
    const { user } = session;
    if (user) {
      say(name, user.email);
      name.title = user.email;
      who.replaceChildren(name, logout);
    } else {
      who.replaceChildren(...doors);
    }
    const isKnown = user?.account === "active" || user?.account === "suspended";
    if (user?.account === "pending") void session.follow();
    if (isKnown && followed !== user.id) {
      followed = user.id;
      exchange.followUser();
    } else if (!user && followed !== null) {
      followed = null;
      exchange.forgetUser();
    }
    exchange.dispatchEvent(new Event("account"));
  });
}

async function tellDemo() {
  try {
    const facts = await rest("GET", "exchange");
    if (facts.demo !== true) return;
    $("demo").hidden = false;
    $("demo").replaceChildren("This is a demo: the money here is play money.");
    if (typeof facts.mailbox === "string" && facts.mailbox.startsWith("/")) {
      $("demo").append(" Mails of this demo are in its ", h("a", { href: facts.mailbox }, "mailbox"), ".");
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error; // without an answer it is no demo
  }
}

const openLogin = mountLogin(session);
const askLogin = () => openLogin("login", "Log in to trade.");
const pickPrice = mountTicket(exchange, askLogin);
mountMarkets(exchange, feed, chooseTab);
mountBook(exchange, (ticks) => {
  pickPrice(ticks);
  chooseTab("trade");
});
mountTrades(exchange);
mountChart();
mountAccount(exchange, mountDeposit(session));
mountSession(openLogin);

for (const button of document.querySelectorAll(".tabs button")) {
  button.addEventListener("click", () => chooseTab(button.dataset.tab));
}
$("symbol").addEventListener("click", () => chooseTab("markets"));
addEventListener("hashchange", () => exchange.select(decodeURIComponent(location.hash.slice(1))));
addEventListener("unhandledrejection", () => {
  notify("Something in this page failed. Reload it if it stays wrong.", "bad");
});

feed.start();
void exchange.load(decodeURIComponent(location.hash.slice(1)));
void session.restore();
void tellDemo();
