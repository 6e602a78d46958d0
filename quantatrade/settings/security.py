"""Content security policies: strict everywhere, widened for the console alone.

The console's theme evaluates expressions in attributes (Alpine.js) and sets inline styles, so it
needs 'unsafe-eval' for scripts and 'unsafe-inline' for styles. Inline scripts stay forbidden.
"""

from __future__ import annotations

from typing import Any, Final

STRICT_DIRECTIVES: Final[dict[str, Any]] = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'"],
    "font-src": ["'self'"],
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
    "object-src": ["'none'"],
}
CONSOLE_DIRECTIVES: Final[dict[str, Any]] = {
    **STRICT_DIRECTIVES,
    "script-src": ["'self'", "'unsafe-eval'"],
    "style-src": ["'self'", "'unsafe-inline'"],
    "img-src": ["'self'", "data:"],
}
