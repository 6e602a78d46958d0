"""The mailbox page of a demo.

Invariant: it exists in a demo alone. Elsewhere, and always in a production installation, its
addresses are those of no page.
"""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.mail.mailbox import MESSAGES_MAX
from apps.mail.models import MailboxMessage

PAGE_MESSAGES: Final = 25
SEARCH_CHARS_MAX: Final = 100


def _require_demo() -> None:
    if not settings.QT_DEMO:
        raise Http404


@never_cache
@require_safe
def mailbox(request: HttpRequest) -> HttpResponse:
    """List mails, newest first; `?to=` those whose address holds a text."""
    _require_demo()
    to = request.GET.get("to", "").strip()[:SEARCH_CHARS_MAX]
    messages = MailboxMessage.objects.defer("body")
    if to:
        messages = messages.filter(to_address__icontains=to)
    page = Paginator(messages, PAGE_MESSAGES).get_page(request.GET.get("page"))
    return render(request, "mailbox.html", {"page": page, "to": to, "limit": MESSAGES_MAX})


@never_cache
@require_safe
def mailbox_message(request: HttpRequest, message_id: int) -> HttpResponse:
    """Show one mail."""
    _require_demo()
    message = get_object_or_404(MailboxMessage, pk=message_id)
    return render(request, "mailbox_message.html", {"message": message})
