"""What errors of a database mean: try again at once, the store is away, or the statement is at fault.

By class of SQLSTATE (PostgreSQL 16, appendix A) and by result code (sqlite.org/rescode.html).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hub.errors import UnavailableError

# Another process wrote the same rows first: the second look sees what it wrote.
_AGAIN = {"23505", "40001", "40P01"}
_AGAIN_SQLITE = {5, 6}  # BUSY, LOCKED
_LOST = ("08", "57")  # the connection broke, the server stops or was restarted
# Read-only standby, exhausted retries, disk or memory full, lock not available, fault of the system.
_AWAY = (*_LOST, "25", "40", "53", "55", "58")
_AWAY_SQLITE = {*_AGAIN_SQLITE, 7, 8, 10, 11, 13, 14, 15, 26}  # NOMEM READONLY IOERR CORRUPT FULL CANTOPEN ...


class StoreAwayError(UnavailableError):
    """The database itself cannot be used now, whatever is asked of it."""


def wrapped(engine: Engine, error: Exception) -> Exception:
    """Errors of the bare driver as SQLAlchemy's, so that one place judges them."""
    dbapi = engine.dialect.dbapi
    if dbapi is not None and isinstance(error, dbapi.Error):
        return DBAPIError.instance("", (), error, dbapi.Error, dialect=engine.dialect)
    return error


def transient(error: Exception) -> bool:
    """Whether the same transaction may succeed when it is tried again at once."""
    if not isinstance(error, DBAPIError):
        return False
    code, state = _codes(error)
    if code is not None:
        return code in _AGAIN_SQLITE
    return state in _AGAIN or state.startswith(_LOST) or _unsaid(error, state)


def away(error: Exception) -> bool:
    """Whether the database, rather than the statement, is at fault."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    code, state = _codes(error)
    if code is not None:
        return code in _AWAY_SQLITE
    return state.startswith(_AWAY) or _unsaid(error, state)


def readable(error: Exception, doing: str) -> Exception:
    """The error to raise: StoreAwayError when the database is at fault, else the error itself."""
    if not away(error):
        return error
    reason = type(error.orig).__name__ if isinstance(error, DBAPIError) else type(error).__name__
    return StoreAwayError(f"the store cannot {doing} now ({reason})", cure="see database_url and hub doctor")


@contextmanager
def told(engine: Engine, doing: str) -> Iterator[None]:
    """Turn errors of the driver into SQLAlchemy's, and those that mean "away" into StoreAwayError."""
    try:
        yield
    except Exception as error:
        meant = readable(wrapped(engine, error), doing)
        if meant is error:
            raise
        raise meant from error


def _codes(error: DBAPIError) -> tuple[int | None, str]:
    code = getattr(error.orig, "sqlite_errorcode", None)
    return (code & 0xFF if code is not None else None), str(getattr(error.orig, "sqlstate", None) or "")


def _unsaid(error: DBAPIError, state: str) -> bool:
    # A connection that broke, or could not be made, has no server that gives a SQLSTATE.
    return not state and isinstance(error, OperationalError | InterfaceError)
