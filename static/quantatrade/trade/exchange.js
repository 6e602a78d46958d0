// What this page knows of the exchange, kept up to date over the socket. Panels listen and draw.
//
// Events: markets, select, terms, ticker, book, trades (detail: {trades, isSnapshot}), orders,
// balances, fill (detail: the fill), account.

import { ApiError, rest } from "./api.js";
import { OrderBook } from "./book.js";
import { toAtoms } from "./decimal.js";
import { termsOf, termsUpdated } from "./terms.js";

const FOLLOWED_MAX = 40; // markets whose ticker and state come over the socket
const RETRY_MS = 2_000;

export class Exchange extends EventTarget {
  #feed;
  #session;
  markets = new Map();
  tickers = new Map();
  balances = null; // asset -> {available, locked}, null: not known (yet)
  orders = new Map(); // my open ones, by id
  symbol = null;
  book = null;

  constructor(feed, session) {
    super();
    this.#feed = feed;
    this.#session = session;
  }

  get terms() {
    return this.markets.get(this.symbol);
  }

  /** List the markets and begin to follow them; tries again until there are some. */
  async load(wanted) {
    for (;;) {
      try {
        const [markets, tickers] = await Promise.all([
          rest("GET", "markets"), rest("GET", "tickers"),
        ]);
        for (const item of markets.items) this.markets.set(item.symbol, termsOf(item));
        for (const item of tickers.items) this.#tickerOfRest(item);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
      }
      if (this.markets.size) break;
      this.#emit("markets");
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
    this.#emit("markets");
    this.select(this.markets.has(wanted) ? wanted : this.#busiest());
    for (const symbol of [...this.markets.keys()].slice(0, FOLLOWED_MAX)) this.#follow(symbol);
  }

  #tickerOfRest(item) {
    this.tickers.set(item.market, {
      last: item.last_price, open: item.open_price, high: item.high_price, low: item.low_price,
      change: item.price_change, volume: item.volume, quote_volume: item.quote_volume,
    });
  }

  #busiest() {
    const symbols = [...this.markets.keys()];
    return symbols.find((symbol) => symbol === "BTCUSDT") ?? symbols[0];
  }

  #follow(symbol) {
    this.#feed.open(`ticker.${symbol}`, (message) => {
      this.tickers.set(symbol, message);
      this.#emit("ticker", symbol);
    });
    this.#feed.open(`market.${symbol}`, (message) => {
      this.markets.set(symbol, termsUpdated(this.markets.get(symbol), message));
      this.#emit("terms", symbol);
    });
  }

  select(symbol) {
    if (symbol === this.symbol || !this.markets.has(symbol)) return;
    if (this.symbol) {
      this.#feed.close(`book.${this.symbol}`);
      this.#feed.close(`trades.${this.symbol}`);
    }
    this.symbol = symbol;
    const book = new OrderBook(this.terms);
    this.book = book;
    this.#emit("select");
    this.#feed.open(`book.${symbol}`, (message) => {
      book.apply(message);
      this.#emit("book");
    });
    this.#feed.open(`trades.${symbol}`, (message) => {
      this.#emit("trades", { trades: message.trades, isSnapshot: message.type === "snapshot" });
    });
  }

  /** Follow what is mine, once somebody with a trading account has logged in. */
  followUser() {
    this.#feed.open("orders", (message) => this.#takeOrders(message));
    this.#feed.open("balances", (message) => this.#takeBalances(message));
    this.#feed.open("fills", (message) => {
      if (message.type === "fill") this.#emit("fill", message.fill);
    });
    this.#feed.authenticate();
  }

  forgetUser() {
    this.#feed.forgetUser();
    this.balances = null;
    this.orders.clear();
    this.#emit("orders");
    this.#emit("balances");
  }

  #takeOrders(message) {
    if (message.type === "snapshot") {
      this.orders = new Map(message.orders.map((order) => [order.order_id, order]));
    } else {
      const { order } = message;
      if (order.status === "open" || order.status === "partially_filled") {
        this.orders.set(order.order_id, order);
      } else {
        this.orders.delete(order.order_id);
      }
    }
    this.#emit("orders", message.order);
  }

  #takeBalances(message) {
    if (message.type === "snapshot") this.balances = new Map();
    for (const each of message.balances) this.balances.set(each.asset, each);
    this.#emit("balances");
  }

  /** What is available of an asset in atoms; null while that is not known. */
  availableAtoms(asset, decimals) {
    if (this.balances === null) return null;
    const text = this.balances.get(asset)?.available ?? "0";
    return toAtoms(text, decimals);
  }

  get session() {
    return this.#session;
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
