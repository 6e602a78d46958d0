"""The REST API under /api/v1/: authentication, one error shape, idempotency, pages."""
