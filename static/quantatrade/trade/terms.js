// What a market lets in and on which terms, in the engine's units: ticks, lots, atoms, all BigInt.

import { DecimalError, decimalsOf, fromAtoms, signedAtoms, toAtoms } from "./decimal.js";

const MODELS = { RECEIVED_ASSET: "received", QUOTE_ASSET: "quote", QUOTE_PER_LOT: "per_lot" };
const INT64_MAX = 2n ** 63n - 1n;

/** Terms from an item of GET /api/v1/markets. */
export function termsOf(market) {
  const quoteDecimals = market.quote_decimals;
  const baseDecimals = market.base_decimals;
  const tickAtoms = toAtoms(market.tick, quoteDecimals);
  const lotAtoms = toAtoms(market.lot, baseDecimals);
  return withTerms(
    {
      symbol: market.symbol,
      base: market.base_asset,
      quote: market.quote_asset,
      baseDecimals,
      quoteDecimals,
      tick: market.tick,
      lot: market.lot,
      tickAtoms,
      lotAtoms,
      tickLotAtoms: (tickAtoms * lotAtoms) / 10n ** BigInt(baseDecimals),
      priceDecimals: decimalsOf(market.tick),
      quantityDecimals: decimalsOf(market.lot),
    },
    {
      state: market.state,
      feeModel: MODELS[market.fee_basis],
      makerFee: market.maker_fee,
      takerFee: market.taker_fee,
      priceMin: market.min_price,
      priceMax: market.max_price,
      quantityMin: market.min_quantity,
      quantityMax: market.max_quantity,
      notionalMin: market.min_notional,
    },
  );
}

/** The same market after a message of its `market.<SYMBOL>` channel. */
export function termsUpdated(terms, message) {
  return withTerms(terms, {
    state: message.state,
    feeModel: message.fee_model,
    makerFee: message.maker_fee,
    takerFee: message.taker_fee,
    priceMin: message.price_min,
    priceMax: message.price_max,
    quantityMin: message.quantity_min,
    quantityMax: message.quantity_max,
    notionalMin: message.notional_min,
  });
}

function withTerms(terms, stated) {
  const feeDecimals = stated.feeModel === "per_lot" ? terms.quoteDecimals : 6;
  return Object.freeze({
    ...terms,
    ...stated,
    makerRate: signedAtoms(stated.makerFee, feeDecimals),
    takerRate: signedAtoms(stated.takerFee, feeDecimals),
  });
}

/** A number that does not fit the market; `problem` is a sentence for people. */
export class GridError extends Error {
  constructor(field, problem) {
    super(problem);
    this.field = field;
  }
}

/** A price in ticks. GridError if it is no whole number of them. */
export function ticksOf(terms, text) {
  return units(text, terms.quoteDecimals, terms.tickAtoms, "price", `steps of ${terms.tick}`);
}

/** A quantity in lots. GridError if it is no whole number of them. */
export function lotsOf(terms, text) {
  return units(text, terms.baseDecimals, terms.lotAtoms, "quantity", `steps of ${terms.lot}`);
}

function units(text, decimals, unit, field, steps) {
  const name = field === "price" ? "The price" : "The quantity";
  let atoms;
  try {
    atoms = toAtoms(text, decimals);
  } catch (error) {
    if (!(error instanceof DecimalError)) throw error;
    throw new GridError(field, `${name} goes in ${steps}.`);
  }
  if (atoms % unit !== 0n) throw new GridError(field, `${name} goes in ${steps}.`);
  if (atoms / unit > INT64_MAX) throw new GridError(field, `${name} is too large.`);
  return atoms / unit;
}

export function priceText(terms, ticks) {
  return fromAtoms(ticks * terms.tickAtoms, terms.quoteDecimals);
}

export function quantityText(terms, lots) {
  return fromAtoms(lots * terms.lotAtoms, terms.baseDecimals);
}

export function quoteText(terms, atoms) {
  return fromAtoms(atoms, terms.quoteDecimals);
}

/** Price x quantity in quote atoms. */
export function notionalOf(terms, ticks, lots) {
  return ticks * lots * terms.tickLotAtoms;
}
