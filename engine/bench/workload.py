"""The benchmark workload: order flow of one symbol, the same to the bit as exchange-core's.

exchange-core (Apache-2.0, Java) measures itself with a generator whose commands depend on what the
book answered to the earlier ones: orders are placed around the last trade price, moved towards it,
reduced, cancelled and swept, while the size of the book is steered to a target. This is an
independent implementation of that generator's rules. Same parameters, same commands, same trades,
same final book: so the digests in `workload_golden.json` are benchmark and oracle at once.

Invariant: the order in which random numbers are drawn is part of the workload. A draw added,
dropped or moved changes everything after it, and the digests say so.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left
from collections.abc import Iterable
from struct import Struct
from typing import Final, NamedTuple

from engine.bench.book import ASK, BID, L2, REJECT, TRADE, Book, Events
from engine.bench.random import JavaRandom, to_signed

PLACE: Final = 1
CANCEL: Final = 2
MOVE: Final = 3
REDUCE: Final = 4
GTC: Final = 0
IOC: Final = 1
FOK_BUDGET: Final = 4

BOOK_CHECK_COMMANDS: Final = 512  # the generator looks at the size of the book this often
PICK_ORDERS_MAX: Final = 512  # an order to change is one of this many oldest
MARK_COMMANDS: Final = 100_000


class Command(NamedTuple):
    """A command of the workload; what a type does not use is zero.

    `price` and `reserve` of FOK_BUDGET are the budget; `reserve` of a bid is the highest price up
    to which it may be moved.
    """

    type: int
    order_id: int
    uid: int
    action: int = 0
    order_type: int = 0
    price: int = 0
    size: int = 0
    reserve: int = 0


# type, action, order type, nothing, symbol, order id, uid, price, size, reserve
RECORD: Final = Struct("<BBBBIIIqqq")


class Session(NamedTuple):
    """Parameters of one symbol's flow: `target` orders to fill the book, then `commands`."""

    symbol: int
    commands: int
    target: int
    seed: int
    uids: tuple[int, ...]
    sliding: bool = False
    avalanche: bool = False


class Mark(NamedTuple):
    """What the generator's own book had made of the flow after so many commands, fill included."""

    commands: int
    event_count: int
    event_digest: str
    l2_digest: str


class Flow(NamedTuple):
    """One symbol's generated commands, RECORD by RECORD, the fill first.

    The last mark is the end of the flow; those before lie MARK_COMMANDS apart, from the fill on,
    so that a kernel can be proved right over a part of the flow as well.
    """

    session: Session
    records: bytes
    marks: tuple[Mark, ...]


def plain_uids(users: int) -> tuple[int, ...]:
    return tuple(range(1, users + 1))


def session_seed(symbol: int, seed: int) -> int:
    """`Objects.hash(symbol * -177277, seed * 10037 + 198267)` in the JVM's 32-bit arithmetic."""
    first = to_signed(symbol * -177277, 32)
    second = to_signed(seed * 10037 + 198267, 32)
    return to_signed(31 * to_signed(31 + first, 32) + second, 32)


class Generator:
    """Makes one symbol's commands, each from the book as the earlier ones left it."""

    def __init__(self, session: Session) -> None:
        self.book = Book()
        self.seq = 1
        self._random = random = JavaRandom(session_seed(session.symbol, session.seed))
        exponent = 3.3 + random.next_double() * 1.5
        self.price = int(math.pow(10, exponent + random.next_double() * 1.5))
        self.deviation = min(int(self.price * 0.05), 10_000)
        self.low = self.price - self.deviation * 5
        self.high = self.price + self.deviation * 5
        self._uids = session.uids
        self._avalanche = session.avalanche
        self._last_price = self.price
        self._direction = 1 if session.sliding else 0
        self._half = session.target // 2
        self._fast_fill_lack = min(BOOK_CHECK_COMMANDS, self._half * 3 // 4)
        self._initial_placed = False
        self._filled = False
        self._order_counts = [0, 0]  # by side, as of the last look
        self._volumes = [0, 0]
        # Live GTC orders: id -> [uid, price, size left], and their ids. Ids rise, so that
        # ascending ids are the orders from the oldest to the youngest.
        self._live: dict[int, list[int]] = {}
        self._live_ids: list[int] = []

    def refresh(self) -> None:
        """Look at the book's size. Seldom, so that the generator steers with a delay."""
        for side in (ASK, BID):
            self._order_counts[side] = self.book.order_count(side)
            self._volumes[side] = self.book.volume(side)

    def next_command(self) -> Command:
        random = self._random
        lack_ask = self._half - self._order_counts[ASK]
        lack_bid = self._half - self._order_counts[BID]
        if not self._initial_placed and lack_ask <= 0 and lack_bid <= 0:
            self._initial_placed = True
        lack = lack_bid if self._draw_action() == BID else lack_ask
        grow = lack > 0
        fast_fill = not self._filled or lack > self._fast_fill_lack
        if not self._filled and not grow:
            self._filled = True
        bound = 40 if not grow else 2 if fast_fill else 10
        choice = random.next_int(bound)
        if choice < 2 or not self._live_ids:
            return self.place_gtc() if grow else self._place_instant()
        return self._change(choice)

    def _draw_action(self) -> int:
        return BID if self._random.next_int(4) + self._direction >= 2 else ASK

    def _draw_size(self, bound: int) -> int:
        draw = self._random.next_int
        return 1 + draw(bound) * draw(bound) * draw(bound)

    def place_gtc(self) -> Command:
        """A limit order near the last price, most often behind it."""
        random = self._random
        action = self._draw_action()
        uid = self._uids[random.next_int(len(self._uids))]
        width = 1 + int(math.pow(random.next_double(), 2) * self.deviation)
        draw = random.next_int
        offset = (draw(width) + draw(width) + draw(width) + draw(width)) // 4 * 2 - width
        if (offset > 0) != (action == ASK):
            offset = -offset
        price = self._last_price + offset
        size = self._draw_size(6)
        order_id = self.seq
        self.seq += 1
        self._live[order_id] = [uid, price, size]
        self._live_ids.append(order_id)
        reserve = self.high if action == BID else 0
        return Command(PLACE, order_id, uid, action, GTC, price, size, reserve)

    def _place_instant(self) -> Command:
        """An order that takes what it finds and does not rest."""
        random = self._random
        action = self._draw_action()
        uid = self._uids[random.next_int(len(self._uids))]
        order_id = self.seq
        self.seq += 1
        limit = self.high if action == BID else self.low
        reserve = self.high if action == BID else 0
        if self._avalanche:
            size = self._draw_avalanche_size(action)
        elif random.next_int(32) == 0:
            size = self._draw_size(8)
            budget = size * limit
            return Command(PLACE, order_id, uid, action, FOK_BUDGET, budget, size, budget)
        else:
            size = self._draw_size(6)
        return Command(PLACE, order_id, uid, action, IOC, limit, size, reserve)

    def _draw_avalanche_size(self, action: int) -> int:
        drawn = self._random.next_long()
        size = 1 + (drawn if drawn >= 0 else -1 - drawn) % (self._volumes[action] + 1)
        # For both sides the original goes on from the ask volume. It is a slip, and it is kept:
        # without it the commands are other ones.
        self._volumes[action] = max(self._volumes[ASK] - size, 0)
        return size

    def _change(self, choice: int) -> Command:
        """Cancel (2), reduce (3) or move (above) one of the oldest live orders."""
        random = self._random
        position = random.next_int(min(len(self._live_ids), PICK_ORDERS_MAX))
        order_id = self._live_ids[position]
        live = self._live[order_id]
        uid, price, size = live
        if choice == 2:
            del self._live_ids[position]
            del self._live[order_id]
            return Command(CANCEL, order_id, uid)
        if choice == 3:
            return Command(REDUCE, order_id, uid, size=random.next_int(size) + 1)
        if price == self._last_price:
            step = random.next_int(2) * 2 - 1
        else:
            drift = (self._last_price - price) * 0.01
            step = math.floor(drift) if drift < 0 else math.ceil(drift)
        live[1] = price = min(price + step, self.high)
        return Command(MOVE, order_id, uid, price=price)

    def execute(self, command: Command) -> Events:
        """Run the command on the generator's book, and learn from what it answers."""
        kind, order_id, _, action, order_type, price, size, _ = command
        book = self.book
        if kind == MOVE:
            events = book.move(order_id, price)
        elif kind == CANCEL:
            events = book.cancel(order_id)
        elif kind == REDUCE:
            events = book.reduce(order_id, size)
        elif order_type == GTC:
            events = book.place(order_id, action, price, size)
        elif order_type == IOC:
            events = book.place_instant(action, price, size)
        else:
            events = book.place_budget(action, price, size)
        if events:
            self._learn(order_id, events)
        return events

    def _learn(self, order_id: int, events: Events) -> None:
        active = self._live.get(order_id)
        for kind, maker_id, price, size, active_done, maker_done in events:
            if kind == TRADE:
                self._learn_trade(maker_id, price, size, maker_done)
            elif kind == REJECT:
                self.refresh()
            if active is not None:
                active[2] -= size
                if active_done:
                    self._forget(order_id)

    def _learn_trade(self, maker_id: int, price: int, size: int, maker_done: bool) -> None:
        if maker_done:
            self._forget(maker_id)
        else:
            self._live[maker_id][2] -= size
        self._last_price = min(self.high, max(self.low, price))
        if price <= self.low:
            self._direction = 1
        elif price >= self.high:
            self._direction = -1

    def _forget(self, order_id: int) -> None:
        del self._live[order_id]
        del self._live_ids[bisect_left(self._live_ids, order_id)]


def event_lines(index: int, events: Events) -> str:
    """The events of the command numbered `index`, as they enter the digest."""
    lines = []
    for kind, maker_id, price, size, done, maker_done in events:
        if kind == TRADE:
            lines.append(f"{index},T,{maker_id},{price},{size},{done:d},{maker_done:d}\n")
        elif kind == REJECT:
            lines.append(f"{index},R,{size}\n")
        else:
            lines.append(f"{index},D,{size},{done:d}\n")
    return "".join(lines)


def generate(session: Session, make: type[Generator] = Generator) -> Flow:
    """Make one symbol's flow."""
    generator = make(session)
    digest = hashlib.sha256()
    event_count = 0
    marks: list[Mark] = []
    records = bytearray()
    check_every = min(BOOK_CHECK_COMMANDS, session.target + 1)
    next_check = check_every
    total = session.target + session.commands
    for index in range(total):
        fill = index < session.target
        command = generator.place_gtc() if fill else generator.next_command()
        events = generator.execute(command)
        records += pack_record(session.symbol, command)
        if events:
            event_count += len(events)
            digest.update(event_lines(index, events).encode())
        if index >= next_check:
            next_check += check_every
            generator.refresh()
        done = index + 1
        if done == total or (not fill and (done - session.target) % MARK_COMMANDS == 0):
            l2 = l2_digest(generator.book.l2())
            marks.append(Mark(done, event_count, digest.hexdigest(), l2))
    return Flow(session, bytes(records), tuple(marks))


def pack_record(symbol: int, command: Command) -> bytes:
    kind, order_id, uid, action, order_type, price, size, reserve = command
    return RECORD.pack(kind, action, order_type, 0, symbol, order_id, uid, price, size, reserve)


class CommandDigest:
    """SHA-256 over one text line per command, in the form in which the digests are published."""

    def __init__(self, *, with_symbol: bool) -> None:
        self._with_symbol = with_symbol
        self._sha256 = hashlib.sha256()

    def update(self, fields: Iterable[tuple[int, ...]]) -> CommandDigest:
        for kind, action, order_type, _, symbol, order_id, uid, price, size, reserve in fields:
            line = f"{kind},{order_id},{uid},{action},{order_type},{price},{size},{reserve}\n"
            self._sha256.update((f"{symbol},{line}" if self._with_symbol else line).encode())
        return self

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()


def l2_digest(l2: L2) -> str:
    return hashlib.sha256(repr(l2).encode()).hexdigest()
