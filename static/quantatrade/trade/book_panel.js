// The order book, twenty levels a side, and the newest trades.

import { grouped, padded } from "./decimal.js";
import { $, clock, framed, h, say } from "./dom.js";
import { priceText, quantityText, ticksOf } from "./terms.js";

const LEVELS = 20;
const TRADES_MAX = 50;

function makeRows(list, pick) {
  const rows = Array.from({ length: LEVELS }, () => {
    const cells = [h("span"), h("span"), h("span")];
    return { cells, row: h("li", { tabindex: "-1", role: "button" }, ...cells) };
  });
  list.append(...rows.map(({ row }) => row));
  list.addEventListener("click", (event) => pick(event.target.closest("li")));
  return rows;
}

export function mountBook(exchange, pickPrice) {
  const pick = (row) => row?.dataset.ticks && pickPrice(BigInt(row.dataset.ticks));
  const asks = makeRows($("asks"), pick).reverse(); // the best offer is the lowest row
  const bids = makeRows($("bids"), pick);
  asks[0].row.tabIndex = 0;

  $("book").addEventListener("keydown", (event) => {
    const row = event.target.closest("li");
    if (!row) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      pick(row);
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const shown = [...$("book").querySelectorAll("li[data-ticks]")];
      const step = event.key === "ArrowDown" ? 1 : -1;
      const next = shown[shown.indexOf(row) + step];
      if (next) {
        row.tabIndex = -1;
        next.tabIndex = 0;
        next.focus();
      }
    }
  });

  function fill(rows, levels, mine) {
    const { terms } = exchange;
    let sum = 0n;
    const sums = levels.slice(0, LEVELS).map(([, lots]) => (sum += lots));
    rows.forEach(({ cells, row }, index) => {
      const level = levels[index];
      if (!level) {
        delete row.dataset.ticks;
        return;
      }
      const price = grouped(padded(priceText(terms, level[0]), terms.priceDecimals));
      const quantity = padded(quantityText(terms, level[1]), terms.quantityDecimals);
      row.dataset.ticks = String(level[0]);
      row.classList.toggle("mine-here", mine.has(level[0]));
      say(cells[0], price);
      say(cells[1], grouped(quantity));
      say(cells[2], grouped(padded(quantityText(terms, sums[index]), terms.quantityDecimals)));
      return;
    });
    return sums;
  }

  function depth(rows, sums, most) {
    sums.forEach((sum, index) => {
      rows[index].row.style.setProperty("--depth", `${Number((sum * 1000n) / most) / 10}%`);
    });
  }

  const draw = framed(() => {
    const { book, terms } = exchange;
    if (!terms) return;
    const mine = { buy: new Set(), sell: new Set() };
    for (const order of exchange.orders.values()) {
      if (order.symbol === terms.symbol && order.price) {
        mine[order.side]?.add(ticksOf(terms, order.price));
      }
    }
    const [askSums, bidSums] = [
      fill(asks, book.asks, mine.sell), fill(bids, book.bids, mine.buy),
    ];
    const largest = [askSums.at(-1) ?? 0n, bidSums.at(-1) ?? 0n].reduce((a, b) => (a > b ? a : b));
    if (largest > 0n) {
      depth(asks, askSums, largest);
      depth(bids, bidSums, largest);
    }
    spread(book, terms);
  });

  function spread(book, terms) {
    const [bid, ask] = [book.bids[0]?.[0], book.asks[0]?.[0]];
    const last = exchange.tickers.get(terms.symbol)?.last;
    say($("mid"), last ? grouped(padded(last, terms.priceDecimals)) : "–");
    let text = book.isReady ? "no spread" : "";
    if (bid !== undefined && ask !== undefined) {
      const width = padded(priceText(terms, ask - bid), terms.priceDecimals);
      const basis = ((ask - bid) * 1_000_000n) / ask;
      text = `spread ${grouped(width)} · ${Number(basis) / 100} bp`;
    }
    say($("spread-text"), text);
    const empty = bid === undefined && ask === undefined ? "empty" : "";
    say($("book-state"), book.isReady ? empty : "waiting");
  }

  exchange.addEventListener("book", draw);
  exchange.addEventListener("orders", draw);
  exchange.addEventListener("ticker", (event) => event.detail === exchange.symbol && draw());
  exchange.addEventListener("select", () => {
    const { terms } = exchange;
    say($("book-price"), `Price ${terms.quote}`);
    say($("book-quantity"), `Quantity ${terms.base}`);
    draw();
  });
}

export function mountTrades(exchange) {
  let trades = [];
  const draw = framed(() => {
    const { terms } = exchange;
    const rows = trades.map((trade) =>
      h(
        "li", { "data-trade": trade.trade_id },
        h(
          "span", { class: trade.side === "buy" ? "up" : "down" },
          grouped(padded(trade.price, terms.priceDecimals)),
        ),
        h("span", {}, grouped(padded(trade.quantity, terms.quantityDecimals))),
        h("span", {}, clock(trade.time)),
      ),
    );
    $("trades").replaceChildren(
      ...(rows.length ? rows : [h("li", { class: "none" }, h("span", {}, "No trades yet"))]),
    );
  });
  exchange.addEventListener("trades", ({ detail }) => {
    const newest = [...detail.trades].reverse();
    trades = (detail.isSnapshot ? newest : [...newest, ...trades]).slice(0, TRADES_MAX);
    draw();
  });
  exchange.addEventListener("select", () => {
    trades = [];
    draw();
  });
}
