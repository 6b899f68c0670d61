"""transaction: R4 §3.1.0.11.2 (http://hl7.org/fhir/R4/http.html#trules): all of it, or nothing.

Conditions are looked up, links are made and guards are judged inside the one transaction of the database in
which everything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import orjson
from sqlalchemy import Connection, select

from hub import clock
from hub.errors import GoneError, HubError, InvalidError, NotFoundError, PreconditionError, UnsupportedError
from hub.facade.asked import must_be_absent, versions
from hub.facade.context import Facade, caller, served
from hub.facade.create import new_id
from hub.facade.matching import Matcher, matcher, only
from hub.facade.writing import representation, returned, said, whole_binary
from hub.fhir.jsontext import Json
from hub.security.scopes import demand
from hub.services.resources import bundles, patching, rules
from hub.services.resources.bundles import Part
from hub.services.resources.patching import Patched
from hub.services.resources.rules import FindingsError
from hub.store import changes
from hub.store.changes import Change, Changed, GuardError, Present
from hub.store.resources import Write
from hub.store.tables import resource

_LETTER = {"POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}
_READS = ("GET", "HEAD")
_TRIES = 5

Judge = Callable[[Connection], None]


@dataclass(slots=True)
class _Task:
    """One entry that writes, while it is worked out."""

    part: Part
    find: Matcher | None = None
    patch: Patched | None = None
    fid: str = ""
    there: str = ""  # reference of what fits If-None-Exist: nothing is written then
    nothing: bool = False  # nothing fits what is to be deleted
    write: Write | None = None
    guard: tuple[frozenset[int] | None, bool, bool] = (None, False, False)
    conditions: dict[str, Matcher] = field(default_factory=dict)

    @property
    def ref(self) -> str:
        return f"{self.part.kind}/{self.fid}"


def carry_out(
    facade: Facade, parts: list[Part], judge: Judge | None = None, also: Sequence[str] = ()
) -> dict[int, bytes]:
    """Carry out the entries that write; the entries that answer them, by number.

    :param judge: looks, within the transaction, whether what the caller found still holds; it raises when not.
    :param also: names of locks that it needs.
    :raises HubError: why nothing was done, naming the entry.
    """
    tasks = [_task(facade, part) for part in bundles.ordered(parts) if part.method not in _READS]
    if not tasks:
        return {}
    locks = [*also, *(t.part.kind for t in tasks if t.find is not None)]
    locks += [c.partition("?")[0] for t in tasks for c in t.conditions]
    bundles.once((t.ref, t.part) for t in tasks if t.fid)
    patches = {t.ref for t in tasks if t.patch is not None}
    for left in reversed(range(_TRIES)):
        try:
            done = _change(facade, tasks, locks, bool(patches), judge)
        except GuardError as error:
            if error.ref in patches and left:  # somebody wrote what was just patched: once more
                continue
            for task in tasks:
                if task.ref == error.ref:
                    _at(error, task.part)
            raise
        return _answers(facade, tasks, {one.ref: one for one in done})
    raise AssertionError("unreachable")


def _change(facade: Facade, tasks: list[_Task], locks: list[str], reads: bool, judge: Judge | None) -> list[Changed]:
    def resolve(conn: Connection) -> list[Change]:
        if judge is not None:
            judge(conn)
        return _resolve(facade, conn, tasks)

    if locks or reads:
        return changes.change_found(facade.store, resolve, locks)
    return changes.change(facade.store, _resolve(facade, None, tasks))


def _task(facade: Facade, part: Part) -> _Task:
    try:
        return _checked(facade, part)
    except HubError as error:
        _at(error, part)
        raise


def _at(error: HubError, part: Part) -> None:
    """Say in which entry it is."""
    error.where = _place(error.where, part)
    if isinstance(error, FindingsError):
        error.findings = [replace(one, where=_place(one.where, part)) for one in error.findings]


def _place(where: str, part: Part) -> str:
    if where.startswith("Bundle."):
        return where
    if not where or where.startswith(("http.", "line ")):
        return part.where
    return f"{part.where}.resource.{where.removeprefix(f'{part.kind}.')}"


def _checked(facade: Facade, part: Part) -> _Task:
    kind, method = part.kind, part.method
    if kind not in served():
        raise NotFoundError("there is no such type", cure="see the CapabilityStatement", code="not-supported")
    demand(caller().scopes, kind, _LETTER[method])
    if "$" in part.url.partition("?")[0] or part.url.startswith("_") or part.url.count("/") > 1:
        raise UnsupportedError("only resources are written in a transaction", cure="send it by itself, or in a batch")
    task = _Task(part, fid=part.fid)
    criteria = part.if_none_exist.rpartition("?")[2] if method == "POST" and part.if_none_exist is not None else None
    if method != "POST" and not part.fid:
        criteria = part.criteria
    if criteria is not None:
        demand(caller().scopes, kind, "s")
        task.find = matcher(facade, kind, criteria, f"{part.where}.request")
    if part.fid and not rules.good_id(part.fid):
        raise InvalidError("is no id", where=f"{kind}.id", cure="1 to 64 letters, digits, - and .", code="value")
    where = f"{part.where}.request"
    task.guard = (
        versions(part.if_match, where),
        must_be_absent(part.if_none_match, where),
        part.if_match.strip() == "*",
    )
    given = part.json
    if method == "PATCH" and given is not None:
        binary = given.value.get("resourceType") == "Binary"
        task.patch = patching.by_json(patching.of_binary(given.value)) if binary else patching.by_parameters(given)
    elif given is not None:
        rules.check(given.value, kind, part.fid if method == "PUT" and part.fid else None)
        for condition in bundles.conditions(given.text):
            of, _, asked = condition.partition("?")
            if of not in served():
                raise InvalidError(
                    f"there is no type {of[:64]}", where=part.where, cure="see its references", code="value"
                )
            demand(caller().scopes, of, "s")
            task.conditions[condition] = matcher(facade, of, asked, part.where)
    if method == "POST":
        task.fid = new_id()
    return task


def _resolve(facade: Facade, conn: Connection | None, tasks: list[_Task]) -> list[Change]:
    """What is to be written: ids of what conditions mean, links, patched resources.

    :param conn: of the transaction; None where nothing has to be looked up.
    """
    known: dict[str, str] = {}
    for task in tasks:
        try:
            if conn is not None:
                _settle(conn, task)
            for condition, find in task.conditions.items():
                if conn is not None and condition not in known:
                    known[condition] = _referred(find(conn, 2), condition)
        except HubError as error:
            _at(error, task.part)
            raise
    bundles.once((t.ref, t.part) for t in tasks if not t.there and not t.nothing)
    links = known | bundles.targets((t.part, t.there or t.ref) for t in tasks)
    made: list[Change] = []
    for task in tasks:
        if task.there or task.nothing:
            continue
        try:
            row = _present(conn, task) if conn is not None and task.patch is not None else None
            task.write = _written(facade, row, task, links)
        except HubError as error:
            _at(error, task.part)
            raise
        guard = (frozenset([row.version]), False, False) if row is not None else task.guard
        made.append(Change(task.write, *guard, fresh=task.part.method == "POST"))
    return made


def _settle(conn: Connection, task: _Task) -> None:
    part = task.part
    if task.find is None:
        return
    found = only(task.find(conn, 2), part.where)
    if part.method == "POST":
        task.there = found
    elif part.method == "PUT" and part.json is not None:
        task.fid = rules.settled(part.json.value, found) or new_id()
    elif part.method == "DELETE":
        task.fid, task.nothing = found.partition("/")[2], not found
    elif not found:
        raise NotFoundError("nothing fits", where=part.where, cure="search for it")
    else:
        task.fid = found.partition("/")[2]


def _referred(found: list[str], condition: str) -> str:
    if len(found) == 1:
        return found[0]
    what = "several resources fit" if found else "nothing fits"
    code = "multiple-matches" if found else "not-found"
    raise PreconditionError(
        f"{what} the reference to a {condition.partition('?')[0]}", cure="refer to one that is there", code=code
    )


def _written(facade: Facade, row: Present | None, task: _Task, links: dict[str, str]) -> Write:
    kind, given = task.part.kind, task.part.json
    if task.part.method == "DELETE" or given is None:
        return changes.removal(facade.store, kind, task.fid)
    if task.patch is not None and row is not None:
        if task.guard[0] is not None and row.version not in task.guard[0]:
            raise PreconditionError(f"its version is {row.version}", where=task.part.where, cure="read it again")
        given = patching.after(task.patch, whole_binary(facade, row), kind, task.fid)
    else:
        text = bundles.relink(given.text, links)
        if text != given.text:
            given = Json(orjson.loads(text), text)
    return rules.writing(facade.store, given, kind, task.fid)


def _present(conn: Connection, task: _Task) -> Present:
    r = resource.c
    row = conn.execute(select(r.version, r.deleted, r.content, r.octets).where(r.ref == task.ref)).first()
    if row is None or not row.version:
        raise NotFoundError("there is no such resource", cure="search for it")
    if row.deleted:
        raise GoneError("the resource was deleted", cure="its history shows what it was")
    return Present(row.version, bytes(row.content), bytes(row.octets) if row.octets is not None else None)


def _answers(facade: Facade, tasks: list[_Task], done: dict[str, Changed]) -> dict[int, bytes]:
    return {task.part.number: _answer(facade, task, done.get(task.ref)) for task in tasks}


def _answer(facade: Facade, task: _Task, one: Changed | None) -> bytes:
    if task.there:
        row = facade.current(task.there)
        one = Changed(task.there, row.version, row.updated, "there")
    if one is None or one.how in ("deleted", "absent"):
        response = {"status": "204 No Content"}
        if one is not None and one.how == "deleted":
            response |= {"etag": f'W/"{one.version}"', "lastModified": clock.iso(one.updated)}
        return orjson.dumps({"response": response})
    response = {
        "status": "201 Created" if one.how == "created" else "200 OK",
        "location": f"{facade.base}/{one.ref}/_history/{one.version}",
        "etag": f'W/"{one.version}"',
        "lastModified": clock.iso(one.updated),
    }
    made: dict[str, object] = {"fullUrl": f"{facade.base}/{one.ref}"}
    wanted = returned(one.ref, "minimal")
    if wanted == "representation":
        made["resource"] = orjson.Fragment(representation(facade, one, task.write))
    entry: dict[str, object] = dict(response)
    if wanted == "OperationOutcome":
        entry["outcome"] = orjson.Fragment(said(one.how))
    return orjson.dumps(made | {"response": entry})
