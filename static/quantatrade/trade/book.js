// A copy of one market's order book, merged from a snapshot and the deltas after it.
// Invariant: after a message that was not in sequence nothing is shown until the next snapshot.

import { lotsOf, ticksOf } from "./terms.js";

export class OrderBook {
  #terms;
  #bids = new Map();
  #asks = new Map();
  #sorted = null;
  #seq = null;
  eventSeq = 0;

  constructor(terms) {
    this.#terms = terms;
  }

  /** True once there was a snapshot and no gap since. */
  get isReady() {
    return this.#seq !== null;
  }

  /** Apply a message. False if one before it is missing: ask for a new snapshot. */
  apply(message) {
    if (message.type === "snapshot") {
      this.#bids.clear();
      this.#asks.clear();
    } else if (this.#seq === null || message.prev_seq !== this.#seq) {
      this.#seq = null;
      this.#bids.clear();
      this.#asks.clear();
      this.#sorted = null;
      return false;
    }
    this.#merge(this.#bids, message.bids);
    this.#merge(this.#asks, message.asks);
    this.#seq = message.seq;
    this.eventSeq = message.event_seq;
    this.#sorted = null;
    return true;
  }

  #merge(side, levels) {
    for (const [price, quantity] of levels) {
      const ticks = ticksOf(this.#terms, price);
      const lots = lotsOf(this.#terms, quantity);
      if (lots === 0n) side.delete(ticks);
      else side.set(ticks, lots);
    }
  }

  #levels() {
    this.#sorted ??= {
      bids: [...this.#bids].sort(([a], [b]) => (a > b ? -1 : a < b ? 1 : 0)),
      asks: [...this.#asks].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
    };
    return this.#sorted;
  }

  /** Bids as [ticks, lots], best first. */
  get bids() {
    return this.#levels().bids;
  }

  /** Asks as [ticks, lots], best first. */
  get asks() {
    return this.#levels().asks;
  }

  /** The levels that an order of this side would take from. */
  opposite(side) {
    return side === "BID" ? this.asks : this.bids;
  }
}
