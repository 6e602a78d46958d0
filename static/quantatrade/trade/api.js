// Requests to the REST API, and the session that signs them.
//
// Where tokens live: the access token (ten minutes) only in memory. The refresh token comes in the
// body of an answer and nowhere else, so this page has to keep it. It is kept in sessionStorage: it
// survives a reload, is not shared with other tabs (using an old refresh token ends the session, so
// two tabs must never hold the same one), and is gone when the tab is closed. There is no cookie,
// so no other site can act with it.

const BASE = "/api/v1/";
const TIMEOUT_MS = 20_000;
const RENEW_BEFORE_MS = 60_000;
const RENEW_AGAIN_MS = 5_000;
const ATTEMPTS_MAX = 4;
const PAUSE_MS = 700;
const LOCK_ATTEMPTS_MAX = 4;
const LOCK_PAUSE_MS = 80;
const STORED = "quantatrade.session";
const ENDED = new Set(["session_ended", "token_invalid", "token_expired", "not_authenticated"]);
/** Codes after which a request may have been executed: repeat it under the same key to know. */
export const UNSURE = new Set([
  "network", "outcome_unknown", "request_in_progress", "gateway_timeout", "bad_gateway",
  "internal_server_error",
]);

export class ApiError extends Error {
  constructor(status, error, requestId) {
    super(error.message ?? error.code);
    this.status = status;
    this.code = error.code;
    this.details = error.details ?? {};
    this.requestId = requestId;
  }
}

/** A new name for one thing that shall happen once. */
export function idempotencyKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** One request; the answer's body. ApiError for 400 and above, code "network" without an answer. */
export async function rest(method, path, { body, token, headers = {}, query } = {}) {
  const address = new URL(BASE + path, location.origin);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null) address.searchParams.set(name, value);
  }
  const sent = { Accept: "application/json", ...headers };
  if (token) sent.Authorization = `Bearer ${token}`;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let response;
  let answer = null;
  try {
    response = await fetch(address, {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    answer = text ? JSON.parse(text) : null;
  } catch (error) {
    if (response?.ok || !response) throw new ApiError(0, { code: "network", message: `${error}` });
  }
  if (response.ok) return answer;
  const told = answer?.error ?? { code: "bad_gateway", message: `HTTP ${response.status}` };
  throw new ApiError(response.status, told, answer?.request_id);
}

/** Who is logged in. Emits "change" (login, logout, facts), "token" (a new one), "ended". */
export class Session extends EventTarget {
  #access = null;
  #expiresAt = 0;
  #renewal = null;
  #timer = null;
  #refresh = null;
  #id = null;
  #isFollowing = false;
  user = null;

  get isOpen() {
    return this.user !== null;
  }

  /** The access token, as long as there is one. */
  get token() {
    return this.#access;
  }

  async register(email, password) {
    this.#begin(await rest("POST", "auth/register", { body: { email, password } }));
  }

  async login(email, password) {
    this.#begin(await rest("POST", "auth/login", { body: { email, password } }));
  }

  async logout() {
    try {
      await this.call("POST", "auth/logout");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // it ends here in any case
    }
    this.#end();
  }

  /** Go on with the session of this tab, if it has one. */
  async restore() {
    const stored = sessionStorage.getItem(STORED);
    if (!stored) return;
    let kept;
    try {
      kept = JSON.parse(stored);
    } catch {
      kept = null;
    }
    if (typeof kept?.refresh !== "string" || !(await isOurs(kept.id))) {
      sessionStorage.removeItem(STORED);
      return;
    }
    this.#refresh = kept.refresh;
    this.#id = kept.id;
    for (let attempt = 1; attempt <= ATTEMPTS_MAX && this.#refresh; attempt += 1) {
      try {
        await this.renew();
        this.user = await rest("GET", "me", { token: this.#access });
        this.#emit("change");
        return;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.code !== "network" && error.status < 500) {
          this.#end();
          return;
        }
      }
      await pause(PAUSE_MS * attempt);
    }
  }

  /** A request in this session's name. An expired token is renewed once; an ended session ends. */
  async call(method, path, options = {}) {
    if (!this.#access || Date.now() > this.#expiresAt) await this.renew();
    const token = this.#access;
    try {
      return await rest(method, path, { ...options, token });
    } catch (error) {
      if (error.status !== 401 || !ENDED.has(error.code)) throw error;
      if (this.#access === token) await this.renew();
      return rest(method, path, { ...options, token: this.#access });
    }
  }

  /** POST something that shall happen once: repeated under one key until the outcome is known. */
  async once(path, body, key = idempotencyKey()) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.call("POST", path, { body, headers: { "Idempotency-Key": key } });
      } catch (error) {
        if (!UNSURE.has(error.code) || attempt === ATTEMPTS_MAX) throw error;
      }
      await pause(PAUSE_MS * attempt);
    }
  }

  /** Exchange the refresh token for the next pair; many callers share one exchange. */
  renew() {
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = null;
    });
    return this.#renewal;
  }

  async #renew() {
    if (!this.#refresh) throw new ApiError(401, { code: "session_ended" });
    try {
      this.#keep(await rest("POST", "auth/refresh", { body: { refresh_token: this.#refresh } }));
    } catch (error) {
      if (error.status === 401 || error.status === 400) {
        this.#end("ended");
      } else {
        this.#schedule(RENEW_AGAIN_MS);
      }
      throw error;
    }
  }

  #begin(answer) {
    this.#id = idempotencyKey();
    void isOurs(this.#id);
    this.#keep(answer);
    this.user = answer.user;
    this.#emit("change");
  }

  #keep(answer) {
    this.#access = answer.access_token;
    this.#refresh = answer.refresh_token;
    sessionStorage.setItem(STORED, JSON.stringify({ id: this.#id, refresh: this.#refresh }));
    const lifetime = answer.expires_in * 1000;
    this.#expiresAt = Date.now() + lifetime - RENEW_AGAIN_MS;
    this.#schedule(Math.max(lifetime - RENEW_BEFORE_MS, RENEW_AGAIN_MS));
    this.#emit("token");
  }

  #schedule(delay) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.renew().catch(() => {}), delay);
  }

  #end(event) {
    clearTimeout(this.#timer);
    this.#access = this.#refresh = this.user = null;
    sessionStorage.removeItem(STORED);
    if (event) this.#emit(event);
    this.#emit("change");
  }

  /** Ask who I am until the trading account is open. */
  async follow() {
    if (this.#isFollowing) return;
    this.#isFollowing = true;
    while (this.user?.account === "pending") {
      await pause(PAUSE_MS);
      try {
        const user = await this.call("GET", "me");
        if (this.user) {
          this.user = user;
          this.#emit("change");
        }
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
      }
    }
    this.#isFollowing = false;
  }

  #emit(name) {
    this.dispatchEvent(new Event(name));
  }
}

// A duplicated tab gets a copy of sessionStorage. The tab that holds the lock of a session is the
// one whose it is; where a browser has no locks (plain http on a far host) there is nothing to ask.
async function isOurs(id) {
  if (!navigator.locks) return true;
  for (let attempt = 1; attempt <= LOCK_ATTEMPTS_MAX; attempt += 1) {
    if (await take(`quantatrade.${id}`)) return true;
    await pause(LOCK_PAUSE_MS); // on a reload the page before may still be letting go
  }
  return false;
}

function take(name) {
  return new Promise((told) => {
    const hold = (lock) => {
      told(lock !== null);
      return lock && new Promise(() => {}); // for as long as the tab lives
    };
    navigator.locks.request(name, { ifAvailable: true }, hold).catch(() => told(true));
  });
}
