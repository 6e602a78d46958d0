// The list of markets, and the line at the top about the selected one.

import { cut, grouped, padded, percent } from "./decimal.js";
import { $, framed, h, say } from "./dom.js";
import { STATES } from "./rules.js";

const BADGES = {
  TRADING: "trading", CANCEL_ONLY: "cancel only", HALT: "halted", POST_ONLY: "post only",
  LIMIT_ONLY: "limit only", AUCTION: "auction", CLOSED: "closed", DELISTED: "delisted",
};
const LINES = {
  connecting: "connecting", live: "live", delayed: "delayed", down: "engine down",
  reconnecting: "reconnecting",
};
const LINE_TITLES = {
  connecting: "Connecting to the exchange.",
  live: "Everything shown here is live.",
  delayed: "Events are more than a second late.",
  down: "The engine cannot be reached: what you see is old.",
  reconnecting: "The connection was lost: what you see is old. Trying again.",
};

const direction = (change) =>
  change?.startsWith("-") ? "down" : change && !/^[0.]*$/.test(change) ? "up" : "";

function changeText(ticker) {
  if (!ticker?.open || ticker.change === null || ticker.change === undefined) return "–";
  return `${percent(ticker.change, ticker.open)} %`;
}

export function priceShown(terms, price) {
  return price ? grouped(padded(price, terms.priceDecimals)) : "–";
}

export function mountMarkets(exchange, feed, chooseTab) {
  const rows = new Map();

  function list() {
    const items = [...exchange.markets.values()].map((terms) => {
      const row = {
        last: h("span", { class: "num" }),
        change: h("small", { class: "num" }),
        name: h("b", {}, terms.symbol),
      };
      row.button = h(
        "button",
        { type: "button", onclick: () => choose(terms.symbol), "data-symbol": terms.symbol },
        row.name, row.last, h("small", {}, `${terms.base} / ${terms.quote}`), row.change,
      );
      rows.set(terms.symbol, row);
      return h("li", {}, row.button);
    });
    $("markets").replaceChildren(
      ...(items.length ? items : [h("li", { class: "empty" }, "No market is listed yet.")]),
    );
    for (const symbol of rows.keys()) fill(symbol);
  }

  function choose(symbol) {
    exchange.select(symbol);
    chooseTab("chart");
  }

  function fill(symbol) {
    const row = rows.get(symbol);
    if (!row) return;
    const [terms, ticker] = [exchange.markets.get(symbol), exchange.tickers.get(symbol)];
    say(row.last, priceShown(terms, ticker?.last));
    say(row.change, changeText(ticker));
    row.change.className = `num ${direction(ticker?.change)}`;
    row.name.className = terms.state === "TRADING" ? "" : "halted";
    row.button.title = STATES[terms.state] ?? "";
    row.button.setAttribute("aria-current", String(symbol === exchange.symbol));
    if (symbol === exchange.symbol) headline();
  }

  const headline = framed(() => {
    const [terms, ticker] = [exchange.terms, exchange.tickers.get(exchange.symbol)];
    if (!terms) return;
    say($("symbol"), terms.symbol);
    say($("last"), priceShown(terms, ticker?.last));
    $("last").className = `last num ${direction(ticker?.change)}`;
    say($("t-change"), changeText(ticker));
    $("t-change").className = direction(ticker?.change);
    say($("t-high"), priceShown(terms, ticker?.high));
    say($("t-low"), priceShown(terms, ticker?.low));
    const volume = ticker?.volume ? `${grouped(cut(ticker.volume, 2))} ${terms.base}` : "–";
    say($("t-volume"), volume);
    const last = ticker?.last ? `${priceShown(terms, ticker.last)} ` : "";
    document.title = `${last}${terms.symbol} · QuantaTrade`;
    badge(terms.state);
  });

  function badge(state) {
    const element = $("market-state");
    element.hidden = false;
    element.dataset.state = state;
    element.title = STATES[state] ?? "";
    say(element, BADGES[state] ?? state);
  }

  exchange.addEventListener("markets", list);
  exchange.addEventListener("ticker", (event) => fill(event.detail));
  exchange.addEventListener("terms", (event) => fill(event.detail));
  exchange.addEventListener("select", () => {
    for (const symbol of rows.keys()) fill(symbol);
    history.replaceState(null, "", `#${exchange.symbol}`);
  });
  feed.addEventListener("state", () => {
    const element = $("line-state");
    element.dataset.state = feed.state;
    element.title = LINE_TITLES[feed.state] ?? "";
    say(element, LINES[feed.state] ?? feed.state);
  });
}
