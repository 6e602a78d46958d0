# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""BLAKE2b-128 of four words (RFC 7693), and sums of such hashes modulo 2**128.

A checkpoint hashes every account that moved, and a kernel that starts from a snapshot all of them:
through the interpreter that is most of either. Four words are one block of the hash, so only that
case is written out. Invariant: the two words of `hash_four_words` are, little-endian, the 16 bytes
that hashlib gives for the 32 bytes of the four.
"""

import cython

from engine.kernel.compiled.layout import u32, u64

HashPtr = cython.typedef(cython.pointer(u64))

# Which word of the block each step of a round mixes in, sixteen to a round: the permutations of RFC
# 7693, table 3, read from the right. Rounds 10 and 11 are 0 and 1 again.
Schedule = cython.struct(rounds=u64[12])


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def set_schedule(schedule: cython.pointer(Schedule)) -> cython.void:
    rounds: HashPtr = schedule.rounds
    rounds[0] = rounds[10] = cython.cast(u64, 0xFEDCBA9876543210)
    rounds[1] = rounds[11] = cython.cast(u64, 0x357B20C16DF984AE)
    rounds[2] = cython.cast(u64, 0x491763EADF250C8B)
    rounds[3] = cython.cast(u64, 0x8F04A562EBCD1397)
    rounds[4] = cython.cast(u64, 0xD386CB1EFA427509)
    rounds[5] = cython.cast(u64, 0x91EF57D438B0A6C2)
    rounds[6] = cython.cast(u64, 0xB8293670A4DEF15C)
    rounds[7] = cython.cast(u64, 0xA2684F05931CE7BD)
    rounds[8] = cython.cast(u64, 0x5A417D2C803B9EF6)
    rounds[9] = cython.cast(u64, 0x0DC3E9BF5167482A)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def rotated(word: u64, bits: u32) -> u64:
    return (word >> bits) | (word << (64 - bits))


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def mix_four(v: HashPtr, a: u32, b: u32, c: u32, d: u32, x: u64, y: u64) -> cython.void:
    """The function G of RFC 7693."""
    v[a] = v[a] + v[b] + x
    v[d] = rotated(v[d] ^ v[a], 32)
    v[c] = v[c] + v[d]
    v[b] = rotated(v[b] ^ v[c], 24)
    v[a] = v[a] + v[b] + y
    v[d] = rotated(v[d] ^ v[a], 16)
    v[c] = v[c] + v[d]
    v[b] = rotated(v[b] ^ v[c], 63)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def set_initial(v: HashPtr) -> cython.void:
    v[0] = cython.cast(u64, 0x6A09E667F3BCC908)
    v[1] = cython.cast(u64, 0xBB67AE8584CAA73B)
    v[2] = cython.cast(u64, 0x3C6EF372FE94F82B)
    v[3] = cython.cast(u64, 0xA54FF53A5F1D36F1)
    v[4] = cython.cast(u64, 0x510E527FADE682D1)
    v[5] = cython.cast(u64, 0x9B05688C2B3E6C1F)
    v[6] = cython.cast(u64, 0x1F83D9ABFB41BD6B)
    v[7] = cython.cast(u64, 0x5BE0CD19137E2179)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def hash_four_words(words: HashPtr, out: HashPtr) -> cython.void:
    schedule: Schedule
    block: u64[16]
    v: u64[16]
    place: u32
    for place in range(16):
        block[place] = words[place] if place < 4 else 0
    set_schedule(cython.address(schedule))
    set_initial(v)
    set_initial(cython.address(v[8]))
    v[0] ^= cython.cast(u64, 0x01010010)  # 16 bytes out, no key
    first: u64 = v[0]
    second: u64 = v[1]
    v[12] ^= 32  # bytes in
    v[14] = ~v[14]  # the last block
    for place in range(12):
        s: u64 = schedule.rounds[place]
        mix_four(v, 0, 4, 8, 12, block[s & 15], block[(s >> 4) & 15])
        mix_four(v, 1, 5, 9, 13, block[(s >> 8) & 15], block[(s >> 12) & 15])
        mix_four(v, 2, 6, 10, 14, block[(s >> 16) & 15], block[(s >> 20) & 15])
        mix_four(v, 3, 7, 11, 15, block[(s >> 24) & 15], block[(s >> 28) & 15])
        mix_four(v, 0, 5, 10, 15, block[(s >> 32) & 15], block[(s >> 36) & 15])
        mix_four(v, 1, 6, 11, 12, block[(s >> 40) & 15], block[(s >> 44) & 15])
        mix_four(v, 2, 7, 8, 13, block[(s >> 48) & 15], block[(s >> 52) & 15])
        mix_four(v, 3, 4, 9, 14, block[(s >> 56) & 15], block[s >> 60])
    out[0] = first ^ v[0] ^ v[8]
    out[1] = second ^ v[1] ^ v[9]


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def add_to_sum(total: HashPtr, low: u64, high: u64) -> cython.void:
    total[0] += low
    total[1] += high + (total[0] < low)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def take_from_sum(total: HashPtr, low: u64, high: u64) -> cython.void:
    borrow: u64 = total[0] < low
    total[0] -= low
    total[1] -= high + borrow


@cython.cfunc
def sum_as_int(total: HashPtr) -> object:
    high: object = total[1]  # a Python int: C would lose the shifted bits
    return high << 64 | total[0]
