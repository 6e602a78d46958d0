// The socket: subscriptions that survive reconnects, sequence checks, and the state of the line.
// Invariant: a handler sees a snapshot first and then every message after it, without a gap.

const PATH = "/ws/";
const BACKOFF_FIRST_MS = 400;
const BACKOFF_MAX_MS = 15_000;
const SILENCE_MAX_MS = 60_000;
const NOT_READY_MS = 1_500;
const CHANNELS_MAX = 50; // in a request
const GAPS_MAX = 5; // of one channel within a minute; then the line itself is suspect
const MINUTE_MS = 60_000;
const PRIVATE = new Set(["orders", "fills", "balances"]);

/** Emits "state" whenever `state` changes: connecting, live, delayed, down, reconnecting. */
export class Feed extends EventTarget {
  #socket = null;
  #channels = new Map(); // name -> {handler, seq, gaps}
  #opened = new Set(); // since the last request
  #asked = new Map(); // request id -> its channels, until it is answered
  #requests = 0;
  #attempts = 0;
  #timers = {};
  #isAuthenticated = false;
  #tokenOf;
  #renew;
  state = "connecting";

  /** `tokenOf()` is the access token or null; `renew()` asks for the next one. */
  constructor(tokenOf, renew) {
    super();
    this.#tokenOf = tokenOf;
    this.#renew = renew;
  }

  start() {
    addEventListener("online", () => this.#hasten());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.#hasten();
    });
    this.#connect();
  }

  /** Follow a channel. `handler(message)` gets snapshots and what comes after them. */
  open(name, handler) {
    this.#channels.set(name, { handler, seq: null, gaps: [] });
    if (!this.#opened.size) queueMicrotask(() => this.#subscribeOpened());
    this.#opened.add(name);
  }

  close(name) {
    const isAsked = !this.#opened.delete(name);
    if (this.#channels.delete(name) && isAsked) {
      this.#send({ op: "unsubscribe", channels: [name] });
    }
  }

  #subscribeOpened() {
    const names = [...this.#opened];
    this.#opened.clear();
    this.#subscribe(names);
  }

  /** Log this socket in with the newest token; private channels follow. */
  authenticate() {
    const token = this.#tokenOf();
    if (token) this.#send({ op: "auth", token, id: "auth" });
  }

  /** A socket has one user: to become nobody, begin with a new one. */
  forgetUser() {
    this.#isAuthenticated = false;
    for (const name of PRIVATE) this.#channels.delete(name);
    this.#socket?.close(1000);
  }

  #connect() {
    clearTimeout(this.#timers.retry);
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${PATH}`);
    this.#socket = socket;
    this.#listen();
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      this.#isAuthenticated = false;
      this.#opened.clear();
      this.#asked.clear();
      for (const channel of this.#channels.values()) channel.seq = null;
      this.#subscribe([...this.#channels.keys()]);
      this.authenticate();
    };
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.#take(event.data);
    };
    socket.onclose = () => {
      if (socket === this.#socket) this.#lost();
    };
  }

  #lost() {
    this.#socket = null;
    clearTimeout(this.#timers.silence);
    const longest = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.#attempts);
    this.#attempts += 1;
    // Half of it by chance, so that not everybody comes back at the same moment.
    this.#timers.retry = setTimeout(() => this.#connect(), longest * (0.5 + Math.random() / 2));
    this.#become("reconnecting");
  }

  #hasten() {
    if (this.#socket) return;
    this.#attempts = 0;
    this.#connect();
  }

  #listen() {
    clearTimeout(this.#timers.silence);
    this.#timers.silence = setTimeout(() => {
      const socket = this.#socket;
      if (!socket) return;
      socket.onclose = null;
      socket.close();
      this.#lost();
    }, SILENCE_MAX_MS);
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  // Few requests for many channels: the edge counts requests.
  #subscribe(names) {
    const wanted = names.filter((name) => !PRIVATE.has(name) || this.#isAuthenticated);
    for (let first = 0; first < wanted.length; first += CHANNELS_MAX) {
      const channels = wanted.slice(first, first + CHANNELS_MAX);
      this.#requests += 1;
      this.#asked.set(this.#requests, channels);
      this.#send({ op: "subscribe", channels, id: this.#requests });
    }
  }

  #take(text) {
    this.#listen();
    const message = JSON.parse(text);
    if (message.channel !== undefined) this.#deliver(message);
    else if (message.state !== undefined) this.#heard(message.state);
    else if (message.type === "authenticated") {
      this.#isAuthenticated = true;
      this.#subscribe([...this.#channels.keys()].filter((name) => PRIVATE.has(name)));
    } else if (message.type === "subscribed") this.#asked.delete(message.id);
    else if (message.type === "auth_ended") this.#authEnded();
    else if (message.type === "error") this.#refused(message);
  }

  #heard(state) {
    this.#attempts = 0;
    this.#become(state);
  }

  #deliver(message) {
    const channel = this.#channels.get(message.channel);
    if (!channel) return;
    if (message.type === "snapshot") {
      channel.seq = message.seq;
    } else if (channel.seq === null) {
      return; // its snapshot is on its way
    } else if (message.prev_seq !== channel.seq) {
      this.#resync(message.channel, channel);
      return;
    } else {
      channel.seq = message.seq;
    }
    channel.handler(message);
  }

  #resync(name, channel) {
    const now = Date.now();
    channel.seq = null;
    channel.gaps = [...channel.gaps.filter((at) => now - at < MINUTE_MS), now];
    if (channel.gaps.length > GAPS_MAX) {
      channel.gaps = [];
      this.#socket?.close(1000);
      return;
    }
    this.#send({ op: "unsubscribe", channels: [name] });
    this.#subscribe([name]);
  }

  #authEnded() {
    this.#isAuthenticated = false;
    for (const name of PRIVATE) {
      const channel = this.#channels.get(name);
      if (channel) channel.seq = null;
    }
    this.#renew().catch(() => {}); // a new token authenticates; an ended session says so itself
  }

  // A request is refused as a whole, so one channel that is not there is found by asking singly.
  #refused(message) {
    const { code } = message.error;
    if (message.id === "auth") {
      this.#authEnded();
      return;
    }
    const names = this.#asked.get(message.id) ?? [];
    this.#asked.delete(message.id);
    if (code === "not_ready" || code === "unavailable") {
      setTimeout(() => {
        this.#subscribe(names.filter((name) => this.#channels.get(name)?.seq === null));
      }, NOT_READY_MS);
    } else if (names.length > 1) {
      for (const name of names) this.#subscribe([name]);
    }
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
