"""The matching engine: the runtime truth for every balance and every order book.

It stands alone: no module below this package imports Django or the platform. The platform reaches
it through `engine.proto` (record layouts, messages) and `engine.client` only.
"""
