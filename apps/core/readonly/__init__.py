"""Console pages over rows that nobody may change there: lists, record pages, filters, display.

Invariant: a page built from this package costs a fixed number of queries, each with a limit,
however many rows it shows; and it offers no way to add, change or delete.
"""
