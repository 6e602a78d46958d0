// My open orders with cancel, what became of earlier ones, my fills, my balances.

import { ApiError } from "./api.js";
import { add, grouped, isZero, padded } from "./decimal.js";
import { $, clock, framed, h, moment, notify, say } from "./dom.js";
import { endReason, inWords } from "./words.js";

const TABS = ["open", "history", "fills", "balances"];
const PAGE = 50;
const CANCELS_AT_ONCE = 4;
const REALLY_MS = 4_000;
const BOOKS_FOLLOW_MS = 900; // lists come from the books, which follow the engine within a second

const SIDES = { BID: "buy", ASK: "sell", buy: "buy", sell: "sell" };
const kinds = { limit: "limit", limit_maker: "post-only", market: "market" };
const waits = (order) => {
  if (!(order.waiting ?? order.is_waiting)) return "";
  return order.stop_price ? `, waits for ${order.stop_price}` : ", waits";
};
const kindOf = (order) => {
  const kind = String(order.type ?? "").toLowerCase();
  const tif = String(order.time_in_force ?? "").toUpperCase();
  const shown = kinds[kind] ?? kind.replaceAll("_", " ");
  const timed = tif === "IOC" || tif === "FOK" || tif === "GTD" ? `${shown} ${tif}` : shown;
  return `${timed}${waits(order)}`;
};

export function mountAccount(exchange, openDeposit) {
  const { session } = exchange;
  let tab = "open";
  const lists = { history: null, fills: null }; // null: not asked for yet; {items, next_cursor}
  let isSure = false; // the next press of "Cancel all" does it

  const isTrader = () => session.isOpen && session.user.account !== null;
  const number = (text, decimals = 0) => grouped(padded(text, decimals));
  const priced = (symbol, price) => {
    if (!price) return "–";
    return number(price, exchange.markets.get(symbol)?.priceDecimals ?? 0);
  };

  function choose(next) {
    tab = next;
    for (const name of TABS) {
      const [button, pane] = [$(`tab-${name}`), $(`pane-${name}`)];
      button.setAttribute("aria-selected", String(name === tab));
      button.tabIndex = name === tab ? 0 : -1;
      pane.hidden = name !== tab;
    }
    if (lists[tab] === null) void read(tab);
    draw();
  }

  async function read(name, more = false) {
    if (!isTrader()) return;
    const [path, query] = name === "history" ? ["orders", { status: "CLOSED" }] : ["trades", {}];
    const before = more ? lists[name] : null;
    try {
      const cursor = before?.next_cursor;
      const page = await session.call("GET", path, { query: { ...query, limit: PAGE, cursor } });
      lists[name] = { ...page, items: [...(before?.items ?? []), ...page.items] };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (session.isOpen) notify(inWords(error), "bad");
    }
    draw();
  }

  const readLater = (() => {
    let timer = null;
    return () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        for (const name of Object.keys(lists)) {
          if (name === tab) void read(name);
          else lists[name] = null;
        }
      }, BOOKS_FOLLOW_MS);
    };
  })();

  const draw = framed(() => {
    const count = exchange.orders.size;
    say($("open-count"), count ? `(${count})` : "");
    $("cancel-all").hidden = tab !== "open" || count === 0;
    if (!isSure) say($("cancel-all"), `Cancel all ${count}`);
    $("open-deposit").hidden = !isTrader();
    const pane = $(`pane-${tab}`);
    if (!isTrader()) {
      const text = session.isOpen
        ? "This login has no trading account."
        : "Log in to see your orders, fills and balances.";
      pane.replaceChildren(h("p", { class: "empty" }, text));
      return;
    }
    const focused = pane.contains(document.activeElement)
      ? document.activeElement.getAttribute("aria-label")
      : null;
    const drawers = {
      open: drawOpen, history: drawHistory, fills: drawFills, balances: drawBalances,
    };
    pane.replaceChildren(drawers[tab]());
    if (focused) pane.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
  });

  // Heads in brackets are columns that a phone has no room for.
  function table(heads, rows, nothing) {
    if (!rows.length) return h("p", { class: "empty" }, nothing);
    const cells = heads.map((head) => {
      const isExtra = head.startsWith("[");
      const text = isExtra ? head.slice(1, -1) : head;
      return h("th", { scope: "col", class: isExtra ? "extra" : null }, text);
    });
    return h(
      "table", { class: "list" }, h("thead", {}, h("tr", {}, ...cells)), h("tbody", {}, ...rows),
    );
  }

  const cell = (text, options = {}) => h("td", options, text);
  const extra = (text, options = {}) => cell(text, { ...options, class: `extra ${options.class ?? ""}` });
  const sideCell = (side) => cell(SIDES[side] ?? "", { class: SIDES[side] === "buy" ? "up" : "down" });

  function drawOpen() {
    const orders = [...exchange.orders.values()].sort((a, b) => b.order_id - a.order_id);
    const rows = orders.map((order) => {
      const name = order.client_order_id ?? "";
      return h(
        "tr", { "data-order": order.order_id },
        cell(order.symbol), sideCell(order.side), extra(kindOf(order)),
        cell(priced(order.symbol, order.price)), cell(number(order.quantity)),
        cell(number(order.remaining)), extra(name, { class: "name", title: name }),
        extra(`#${order.order_id}`),
        h("td", {}, h(
          "button",
          {
            type: "button", class: "quiet small", onclick: (event) => cancel(order, event.target),
            "aria-label": `Cancel order ${order.order_id}`,
          },
          "Cancel",
        )),
      );
    });
    const heads = ["Market", "Side", "[Type]", "Price", "Quantity", "Open", "[Name]", "[Order]", ""];
    return table(heads, rows, "No open orders.");
  }

  function drawHistory() {
    const rows = (lists.history?.items ?? []).map((order) =>
      h(
        "tr", { "data-order": order.order_id },
        cell(order.market), sideCell(order.side), extra(kindOf(order)),
        cell(priced(order.market, order.price)), extra(number(order.quantity)),
        cell(number(order.executed_quantity)), extra(`${order.fee} ${order.fee_asset}`),
        cell(stateOf(order)), cell(moment(order.closed_at ?? order.accepted_at)),
      ),
    );
    const heads = ["Market", "Side", "[Type]", "Price", "[Quantity]", "Executed", "[Fee]", "End", "Time"];
    return paged("history", table(heads, rows, waiting("history", "No order has ended yet.")));
  }

  function stateOf(order) {
    const state = order.status.toLowerCase();
    const reason = order.by_operator ? "by the exchange" : endReason(order.reason);
    return reason ? `${state}, ${reason}` : state;
  }

  function drawFills() {
    const rows = (lists.fills?.items ?? []).map((fill) =>
      h(
        "tr", { "data-fill": fill.trade_id },
        extra(fill.market), sideCell(fill.side), extra(fill.role.toLowerCase()),
        cell(priced(fill.market, fill.price)), cell(number(fill.quantity)),
        extra(number(fill.quote_quantity)), cell(`${fill.fee} ${fill.fee_asset}`),
        extra(`#${fill.order_id}`), cell(moment(fill.executed_at)),
      ),
    );
    const heads = ["[Market]", "Side", "[Role]", "Price", "Quantity", "[Worth]", "Fee", "[Order]", "Time"];
    return paged("fills", table(heads, rows, waiting("fills", "No fills yet.")));
  }

  const waiting = (name, nothing) => (lists[name] === null ? "Loading …" : nothing);

  function paged(name, content) {
    if (!lists[name]?.next_cursor) return content;
    const more = h("button", { type: "button", class: "quiet small", onclick: () => read(name, true) },
      "Show older");
    return h("div", {}, content, h("p", { class: "empty" }, more));
  }

  function drawBalances() {
    const held = [...(exchange.balances?.values() ?? [])]
      .filter((each) => !isZero(each.available) || !isZero(each.locked))
      .sort((a, b) => (a.asset < b.asset ? -1 : 1));
    const rows = held.map((each) =>
      h(
        "tr", { "data-asset": each.asset },
        cell(each.asset), cell(grouped(each.available)), cell(grouped(each.locked)),
        cell(grouped(add(each.available, each.locked))),
      ),
    );
    if (!rows.length && exchange.balances !== null) {
      return h(
        "div", { class: "empty" },
        h("p", {}, "You hold nothing yet."),
        h("p", {}, h("button", { type: "button", class: "accent", onclick: openDeposit }, "Deposit")),
      );
    }
    return table(["Asset", "Available", "Locked", "Total"], rows, "Loading …");
  }

  /** Returns whether it was canceled; a failure is told, success only for a single one. */
  async function cancel(order, button) {
    if (button) button.disabled = true;
    try {
      const answer = await session.call("DELETE", `orders/${order.order_id}`, {
        query: { market: order.symbol }, headers: { Prefer: "return=minimal" },
      });
      const open = `${answer.removed_quantity} were still open`;
      if (button) notify(`Order ${order.order_id} is canceled; ${open}.`);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      notify(`Order ${order.order_id}: ${inWords(error)}`, "bad");
      if (button) button.disabled = false;
      return false;
    }
  }

  async function cancelAll() {
    const button = $("cancel-all");
    if (!isSure) {
      isSure = true;
      say(button, "Really cancel all?");
      setTimeout(() => {
        isSure = false;
        draw();
      }, REALLY_MS);
      return;
    }
    isSure = false;
    button.disabled = true;
    const waiting = [...exchange.orders.values()];
    let canceled = 0;
    const worker = async () => {
      for (let order = waiting.shift(); order; order = waiting.shift()) {
        if (await cancel(order, null)) canceled += 1;
      }
    };
    await Promise.all(Array.from({ length: CANCELS_AT_ONCE }, worker));
    notify(`Canceled: ${canceled}.`);
    button.disabled = false;
    draw();
  }

  for (const name of TABS) $(`tab-${name}`).addEventListener("click", () => choose(name));
  document.querySelector(".tablist").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    choose(TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length]);
    $(`tab-${tab}`).focus();
  });
  $("cancel-all").addEventListener("click", cancelAll);
  $("open-deposit").addEventListener("click", openDeposit);
  exchange.addEventListener("orders", () => {
    readLater();
    draw();
  });
  exchange.addEventListener("markets", draw);
  exchange.addEventListener("balances", draw);
  exchange.addEventListener("fill", ({ detail: fill }) => {
    const fee = `fee ${fill.fee} ${fill.fee_asset}`;
    const verb = fill.side === "buy" ? "Bought" : "Sold";
    const base = exchange.markets.get(fill.symbol)?.base ?? fill.symbol;
    notify(`${verb} ${fill.quantity} ${base} at ${fill.price} · ${fee} · ${clock(fill.time)}`,
      "good");
    readLater();
  });
  exchange.addEventListener("account", () => {
    lists.history = lists.fills = null;
    choose(tab);
  });
  draw();
}
