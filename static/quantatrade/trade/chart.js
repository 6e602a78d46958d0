// The candles: from REST, then live from the trades on the socket. Numbers here are for drawing
// only; nothing that is drawn is ever sent or paid.

import {
  CandlestickSeries, ColorType, createChart, CrosshairMode, HistogramSeries,
} from "../../vendor/lightweight-charts/5.2.1/lightweight-charts.standalone.production.mjs";
import { ApiError, rest } from "./api.js";

export const INTERVALS = {
  "1m": 60, "5m": 300, "15m": 900, "30m": 1_800, "1h": 3_600, "4h": 14_400, "1d": 86_400,
};
const PAGE = 240;
const NEWEST = 30;
const NEAR_START = 20;
const SETTLE_MS = 2_500; // the books follow the engine within a second; then they are asked again
const RETRY_MS = 3_000;

const two = (number) => String(number).padStart(2, "0");

export class PriceChart {
  #chart;
  #candles;
  #volumes;
  #bars = new Map(); // start in seconds -> {time, open, high, low, close, volume}
  #last = null;
  #tradeId = 0;
  #symbol = null;
  #generation = 0;
  #hasAll = false;
  #isPaging = false;
  #settle = null;
  #faint = { up: "", down: "" };
  interval = "1m";

  constructor(container) {
    // The library's own logo would need an inline style sheet; the page's foot names its makers.
    this.#chart = createChart(container, {
      autoSize: true,
      layout: { attributionLogo: false, fontSize: 11, fontFamily: "system-ui, sans-serif" },
      crosshair: { mode: CrosshairMode.Normal },
      rightPriceScale: { scaleMargins: { top: 0.08, bottom: 0.22 } },
      timeScale: {
        timeVisible: true, secondsVisible: false, rightOffset: 4, barSpacing: 7, minBarSpacing: 1,
        tickMarkFormatter: tickMark,
      },
      localization: { timeFormatter: (time) => moment(new Date(time * 1000)) },
    });
    this.#candles = this.#chart.addSeries(CandlestickSeries, {});
    this.#volumes = this.#chart.addSeries(HistogramSeries, {
      priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false,
      priceLineVisible: false,
    });
    this.#chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range && range.from < NEAR_START) void this.#loadOlder();
    });
    this.paint();
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => this.paint());
  }

  /** Take the colours of the page. */
  paint() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const [up, down, line] = [colour("--buy"), colour("--sell"), colour("--grid")];
    this.#faint = { up: colour("--buy-faint"), down: colour("--sell-faint") };
    this.#chart.applyOptions({
      layout: {
        background: { type: ColorType.Solid, color: colour("--panel") },
        textColor: colour("--soft"),
      },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
      rightPriceScale: { borderColor: colour("--line") },
      timeScale: { borderColor: colour("--line") },
    });
    this.#candles.applyOptions({
      upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false,
    });
    this.#draw();
  }

  /** Show a market. Resolves when its candles are drawn. */
  async show(terms, interval = this.interval) {
    this.#symbol = terms.symbol;
    this.interval = interval;
    this.#generation += 1;
    clearTimeout(this.#settle);
    this.#bars.clear();
    this.#last = null;
    this.#hasAll = false;
    this.#candles.applyOptions({
      priceFormat: {
        type: "price", precision: terms.priceDecimals, minMove: 10 ** -terms.priceDecimals,
      },
    });
    this.#draw();
    await this.#reload(true);
  }

  /** Read the newest candles again: after a gap, and when an interval has settled. */
  async #reload(isFirst = false) {
    const generation = this.#generation;
    const page = await this.#page({ limit: isFirst ? PAGE : NEWEST });
    if (generation !== this.#generation) return;
    if (page === null) {
      this.#later(RETRY_MS, isFirst);
      return;
    }
    const known = [...this.#bars.values()].filter((bar) => !page.length || bar.time < page[0].time);
    this.#bars = new Map([...known, ...page].map((bar) => [bar.time, bar]));
    this.#last = [...this.#bars.values()].at(-1) ?? null;
    this.#draw();
    if (isFirst) {
      this.#chart.timeScale().applyOptions({ rightOffset: 4 });
      this.#chart.timeScale().scrollToRealTime();
    }
  }

  #later(delay, isFirst = false) {
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => void this.#reload(isFirst), delay);
  }

  async #loadOlder() {
    const first = this.#bars.keys().next().value;
    if (this.#isPaging || this.#hasAll || first === undefined) return;
    this.#isPaging = true;
    const generation = this.#generation;
    const page = await this.#page({ limit: PAGE, end: first * 1000 });
    this.#isPaging = false;
    if (generation !== this.#generation || page === null) return;
    const older = page.filter((bar) => bar.time < first);
    this.#hasAll = older.length === 0;
    if (this.#hasAll) return;
    this.#bars = new Map([...older.map((bar) => [bar.time, bar]), ...this.#bars]);
    this.#draw();
  }

  async #page(query) {
    try {
      const path = `markets/${encodeURIComponent(this.#symbol)}/klines`;
      const answer = await rest("GET", path, { query: { interval: this.interval, ...query } });
      return answer.items.map(barOf);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return null;
    }
  }

  /** Add trades of the socket. A snapshot says where to begin: what it holds, REST knows. */
  take(trades, isSnapshot) {
    if (isSnapshot) {
      const newest = trades.at(-1)?.trade_id ?? 0;
      const isGap = this.#tradeId && newest > this.#tradeId;
      this.#tradeId = newest;
      if (isGap && this.#last) this.#later(SETTLE_MS);
      return;
    }
    for (const trade of trades) {
      this.#tradeId = trade.trade_id;
      this.#add(trade);
    }
  }

  /** Another market's trades are numbered anew. */
  forgetTrades() {
    this.#tradeId = 0;
  }

  #add(trade) {
    const step = INTERVALS[this.interval];
    const time = Math.floor(Date.parse(trade.time) / 1000 / step) * step;
    const price = Number(trade.price);
    const quantity = Number(trade.quantity);
    if (this.#last && time < this.#last.time) return;
    if (this.#last?.time === time) {
      const bar = this.#last;
      bar.high = Math.max(bar.high, price);
      bar.low = Math.min(bar.low, price);
      bar.close = price;
      bar.volume += quantity;
    } else {
      const open = this.#last?.close ?? price;
      this.#last = {
        time, open, high: Math.max(open, price), low: Math.min(open, price), close: price,
        volume: quantity,
      };
      this.#bars.set(time, this.#last);
      this.#later(SETTLE_MS); // what the books say of the interval that has ended is final
    }
    this.#candles.update(this.#last);
    this.#volumes.update(this.#volume(this.#last));
  }

  #volume(bar) {
    const color = bar.close >= bar.open ? this.#faint.up : this.#faint.down;
    return { time: bar.time, value: bar.volume, color };
  }

  #draw() {
    const bars = [...this.#bars.values()];
    this.#candles.setData(bars);
    this.#volumes.setData(bars.map((bar) => this.#volume(bar)));
  }
}

function barOf(candle) {
  return {
    time: Date.parse(candle.opened_at) / 1000,
    open: Number(candle.open),
    high: Number(candle.high),
    low: Number(candle.low),
    close: Number(candle.close),
    volume: Number(candle.volume),
  };
}

// Times are the reader's own; the library would show UTC.
function tickMark(time, kind) {
  const at = new Date(time * 1000);
  if (kind === 0) return String(at.getFullYear());
  if (kind === 1) return at.toLocaleDateString(undefined, { month: "short" });
  if (kind === 2) return at.toLocaleDateString(undefined, { day: "numeric", month: "short" });
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

function moment(at) {
  const day = at.toLocaleDateString(undefined, { day: "numeric", month: "short" });
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`;
}
