"""The database and its four roles, made or brought up to date.

`qt_owner` owns and migrates, `qt_app` serves the web side, `qt_mirror` writes the books; the
administrator (the embedded server's superuser, or whoever an external administrative URL names)
only makes these. Invariant: running it again changes nothing but passwords that differ.
"""

from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

OWNER_ROLE = "qt_owner"
APP_ROLE = "qt_app"
MIRROR_ROLE = "qt_mirror"
DATABASE = "quantatrade"
CONNECT_TIMEOUT_S = 10


@dataclass(frozen=True, kw_only=True)
class RolePasswords:
    """The login passwords of the roles that we make."""

    owner: str
    app: str
    mirror: str


def role_url(admin_url: str, *, role: str, password: str, database: str = DATABASE) -> str:
    """The administrative URL with another role, password and database; options are kept."""
    parts = urlsplit(admin_url)
    address = parts.netloc.rpartition("@")[2]
    login = f"{quote(role, safe='')}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{address}", path=f"/{database}"))


def ensure_roles(admin_url: str, passwords: RolePasswords, *, database: str = DATABASE) -> None:
    """Make the roles, the database and the right to connect; idempotent."""
    with psycopg.connect(
        admin_url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S
    ) as connection:
        _ensure_role(connection, OWNER_ROLE, passwords.owner)
        _ensure_role(connection, APP_ROLE, passwords.app)
        _ensure_role(connection, MIRROR_ROLE, passwords.mirror)
        _ensure_database(connection, database)


def _ensure_role(connection: psycopg.Connection, role: str, password: str) -> None:
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    statement = "ALTER ROLE {} LOGIN PASSWORD {}" if known else "CREATE ROLE {} LOGIN PASSWORD {}"
    connection.execute(sql.SQL(statement).format(sql.Identifier(role), sql.Literal(password)))


def _ensure_database(connection: psycopg.Connection, database: str) -> None:
    name, owner = sql.Identifier(database), sql.Identifier(OWNER_ROLE)
    if not connection.execute(
        "SELECT 1 FROM pg_database WHERE datname = %s", (database,)
    ).fetchone():
        row = connection.execute("SHOW is_superuser").fetchone()
        if row != ("on",):  # an administrator who is no superuser must be a member to give it away
            connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(owner))
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'").format(
                name, owner
            )
        )
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    connection.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}, {}").format(
            name, sql.Identifier(APP_ROLE), sql.Identifier(MIRROR_ROLE)
        )
    )
