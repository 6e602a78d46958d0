// The API's error codes in plain words. Codes are stable (docs/API.md); a code without words here
// is told with the message that came with it.

export const WORDS = {
  account_pending: "Your account is being opened. This takes about a second; try again.",
  bad_gateway: "The exchange is starting again. Try again in a moment.",
  capacity: "The exchange is full right now. Nothing was done; try again in a moment.",
  duplicate_client_order_id: "You have an open order with this name already.",
  email_taken: "There is an account with this e-mail address. Log in instead.",
  engine_unavailable: "The matching engine does not answer. Nothing was done; try again soon.",
  forbidden: "This login may not do that. Only traders have a trading account.",
  gateway_timeout: "The exchange did not answer in time. Look at your orders before trying again.",
  idempotency_key_reused: "This order was sent before with other content. Nothing new was done.",
  insufficient_balance: "Your available balance does not cover this order.",
  internal_server_error: "Something failed on the exchange's side. It has been recorded.",
  invalid_credentials: "E-mail address or password is not right.",
  invalid_price: "This price does not fit the market's steps.",
  invalid_quantity: "This quantity does not fit the market's steps.",
  kill_switch: "The exchange has stopped all orders here.",
  login_locked: "Too many wrong passwords. Wait some minutes, then try again.",
  lot_size: "This quantity is below or above what the market allows.",
  market_not_trading: "The market takes no new orders now.",
  max_num_orders: "You have too many open orders in this market.",
  max_position: "Your position in this market would become too large.",
  max_total_exceeded: "The exchange may not hold that much of this asset.",
  network: "The exchange cannot be reached. Check your connection.",
  not_authenticated: "Log in first.",
  notional: "The order's value is below what the market allows.",
  outcome_unknown: "It is not known whether this was executed. Asking again is safe.",
  overflow: "This order is too large.",
  password_refused: "This password is too weak.",
  percent_price: "This price is too far from the market's reference price.",
  price_filter: "This price is below or above what the market allows.",
  rate_limited: "Too many requests. Wait a moment.",
  request_in_progress: "This request is still being executed.",
  request_timeout: "The request took too long to arrive.",
  service_unavailable: "The exchange is busy. Nothing was done; try again in a moment.",
  session_ended: "Your session has ended. Log in again.",
  time_in_force: "The order could not be filled at once as it asked.",
  token_expired: "Your session has expired. Log in again.",
  token_invalid: "Your session is not valid any more. Log in again.",
  unavailable: "This part of the exchange does not answer now. Try again in a moment.",
  unknown_asset: "This asset cannot be deposited.",
  unknown_market: "There is no such market.",
  unknown_order: "This order is not open any more.",
  user_suspended: "Trading is suspended for your account. You can still cancel orders.",
  would_take: "A post-only order must not trade at once. Choose another price.",
};

/** A sentence for an error of the API: {code, message, details}. */
export function inWords(error) {
  const sentence = WORDS[error.code] ?? error.message ?? "Something went wrong.";
  const reasons = error.details?.reasons;
  if (Array.isArray(reasons) && reasons.length) return `${sentence} ${reasons.join(" ")}`;
  const fields = error.details?.fields;
  if (fields && typeof fields === "object") {
    const told = Object.entries(fields).map(([name, problems]) => `${name}: ${problems}`);
    return `${sentence} ${told.join("; ")}`;
  }
  return sentence;
}

const ENDS = {
  operator: "by the exchange",
  time_in_force: "not filled at once",
  budget: "over budget",
  deadman: "by its dead-man switch",
  gtd: "its time came",
  kill_switch: "by the exchange's kill switch",
  list: "by another order of its list",
  market_state: "with its market",
  mass_cancel: "with all others",
  quote_replaced: "by the next quote",
  session: "with its session",
  slippage: "beyond the slippage allowance",
  stp: "would have met its own side",
  user_status: "by the exchange",
  volatility: "beyond the volatility limit",
};

/** Why an order ended, where that was not its owner; "" otherwise. */
export function endReason(reason) {
  const name = (reason ?? "").toLowerCase();
  if (name === "" || name === "none") return "";
  return ENDS[name] ?? name.replaceAll("_", " ");
}

export const DEPOSIT_STATES = {
  pending: "Waiting for confirmations",
  held: "Held for a check",
  credited: "Credited",
  too_small: "Too small to credit",
  rejected: "Failed on the network",
  frozen: "Frozen for a check",
};
