"""The books: double-entry transactions, and balances that follow from them."""
