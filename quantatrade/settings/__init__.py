"""Django settings, composed from the environment. Production-safe unless QT_DEBUG=1.

Invariant: two roles reach the database. `default` is the runtime role, which can only read what
the mirror writes; `owner` migrates (`manage.py migrate --database owner`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.urls import reverse_lazy

from quantatrade.settings import environment
from quantatrade.settings.api import REST_FRAMEWORK as REST_FRAMEWORK
from quantatrade.settings.api import SPECTACULAR_SETTINGS as SPECTACULAR_SETTINGS
from quantatrade.settings.console import UNFOLD as UNFOLD
from quantatrade.settings.custody import CUSTODY_SIMULATOR_URL as CUSTODY_SIMULATOR_URL
from quantatrade.settings.custody import CUSTODY_TOKEN as CUSTODY_TOKEN
from quantatrade.settings.custody import CUSTODY_URL as CUSTODY_URL
from quantatrade.settings.custody import CUSTODY_WALLETS as CUSTODY_WALLETS
from quantatrade.settings.custody import CUSTODY_WEBHOOK_SECRET as CUSTODY_WEBHOOK_SECRET
from quantatrade.settings.mail import DEFAULT_FROM_EMAIL as DEFAULT_FROM_EMAIL
from quantatrade.settings.mail import EMAIL_BACKEND as EMAIL_BACKEND
from quantatrade.settings.mail import EMAIL_HOST as EMAIL_HOST
from quantatrade.settings.mail import EMAIL_HOST_PASSWORD as EMAIL_HOST_PASSWORD
from quantatrade.settings.mail import EMAIL_HOST_USER as EMAIL_HOST_USER
from quantatrade.settings.mail import EMAIL_PORT as EMAIL_PORT
from quantatrade.settings.mail import EMAIL_TIMEOUT as EMAIL_TIMEOUT
from quantatrade.settings.mail import EMAIL_USE_SSL as EMAIL_USE_SSL
from quantatrade.settings.mail import EMAIL_USE_TLS as EMAIL_USE_TLS
from quantatrade.settings.mail import MAIL_ON as MAIL_ON
from quantatrade.settings.security import CONSOLE_DIRECTIVES, STRICT_DIRECTIVES

BASE_DIR = Path(__file__).resolve().parent.parent.parent
VAR_DIR = Path(environment.text("QT_VAR") or BASE_DIR / "var").resolve()

DEBUG = environment.flag("QT_DEBUG")
SECRET_KEY = environment.secret_key(VAR_DIR)
SECRET_KEY_FALLBACKS = environment.former_secret_keys()
PUBLIC_ORIGIN, _public_host = environment.public_origin("QT_PUBLIC_URL")
_https = PUBLIC_ORIGIN.startswith("https://")
ALLOWED_HOSTS = environment.allowed_hosts(_public_host)
CSRF_TRUSTED_ORIGINS = [PUBLIC_ORIGIN]

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    # Without its search for admin modules, which costs as much as all the rest of a start:
    # `quantatrade.urls` does that, where alone they are used.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "django_prometheus",
    "django_structlog",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "apps.core",
    "apps.audit",
    "apps.mail",
    "apps.accounts",
    "apps.markets",
    "apps.ledger",
    "apps.trading",
    "apps.custody",
    "apps.mirror",
    "apps.api",
    "apps.console",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "apps.core.middleware.TrustedProxyMiddleware",
    "apps.core.middleware.RequestLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "apps.core.middleware.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "apps.accounts.middleware.LoginsUnavailableMiddleware",
    "apps.api.middleware.NoStoreMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "quantatrade.urls"
WSGI_APPLICATION = "quantatrade.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.core.context.demo",
            ],
        },
    },
]

DATABASES = {
    "default": environment.application_database("DATABASE_URL"),
    "owner": environment.database("DATABASE_OWNER_URL"),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = environment.text("REDIS_URL")
NATS_URL = environment.text("NATS_URL")
ENGINE_ADDRESS = environment.text("ENGINE_ADDRESS")

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["apps.accounts.backend.RoleBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
CSRF_FAILURE_VIEW = "apps.core.views.csrf_failure"
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")  # for a login form that was opened by itself
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = _https
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SECURE = _https
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
CONTENT_SECURITY_POLICY = {"DIRECTIVES": STRICT_DIRECTIVES}
CONTENT_SECURITY_POLICY_CONSOLE = CONSOLE_DIRECTIVES

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # served from the source tree: nothing to collect, nothing stale
WHITENOISE_MAX_AGE = 300
WHITENOISE_ALLOW_ALL_ORIGINS = False

LOGGING = {"version": 1}  # all of it is done by LOGGING_CONFIG
LOGGING_CONFIG = "quantatrade.settings.logs.configure"
DJANGO_STRUCTLOG_CELERY_ENABLED = True
PROMETHEUS_EXPORT_MIGRATIONS = False

QT_DEMO = environment.demo("QT_DEMO")
QT_PROCESSES = environment.processes("QT_PROCESSES")
QT_WEB_URL = environment.text("QT_WEB_URL")
QT_METRICS_TOKEN = environment.text("QT_METRICS_TOKEN")
