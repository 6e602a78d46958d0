"""The compiled kernel's source: Cython in pure-Python syntax, one idea a module.

`engine.kernel.build` joins these modules into one translation unit, in the order of `PARTS`, and
compiles it to `engine.kernel._compiled`. One unit, because the C compiler can then inline across
all of them: a move is a dozen small functions here and hardly a call in machine code; separate
extension modules would reach each other through pointers. The imports between the modules say what
comes from where and are left out of the joined text; numbers from `engine.kernel.codes` and
`symbols` become C constants. None of these modules can be imported on its own.
"""

PARTS = (
    "layout",
    "tables",
    "memory",
    "texts",
    "forms",
    "lookups",
    "levels",
    "accounts",
    "events",
    "drafts",
    "timers",
    "extras",
    "fees",
    "parking",
    "matching",
    "gates",
    "rates",
    "controls",
    "icebergs",
    "crossing",
    "auction",
    "bounds",
    "bands",
    "placing",
    "triggers",
    "lists",
    "list_life",
    "changing",
    "amending",
    "replacing",
    "quoting",
    "requests",
    "listing",
    "funds",
    "transfers",
    "timing",
    "holds",
    "blake2",
    "checkpoint",
    "rows",
    "packing",
    "restoring",
    "restoring_controls",
    "dispatch",
    "kernel",
    "benching",
)
