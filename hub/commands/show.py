"""``hub show``: one message, whole: what it is, what became of it, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hub.commands.asking import store_of
from hub.commands.options import home_option, json_option, print_json

if TYPE_CHECKING:
    from hub.store import Store


@click.command()
@click.argument("id_", metavar="ID")
@home_option
@click.option("--keys", is_flag=True, help="Show the values of the business keys, which point to a person.")
@click.option("--body", is_flag=True, help="Write the body as received, octet for octet, and nothing else.")
@click.option(
    "--lineage", is_flag=True, help="Map it again by the channel file as it is, and show what came from where."
)
@json_option
def command(id_: str, home: str | None, keys: bool, body: bool, lineage: bool, as_json: bool) -> int:
    """Show one message: facts, stages, error, deliveries, resources written, the chain it belongs to.

    Exit status 1 when, with --lineage, the message could not be mapped.
    """
    from hub.errors import ConfigError

    if body and (lineage or keys or as_json):
        raise ConfigError("--body writes the body and nothing else", cure="leave the other options out")
    with store_of(home) as store:
        row = _row(store, id_)
        if body:
            click.echo(store.bodies.read(bytes(row.body)), nl=False)
            return 0
        if lineage:
            return _lineage(store, row, as_json)
        whole = _whole(store, row, keys)
    from hub.commands.output import say
    from hub.commands.showing import page

    if as_json:
        print_json(whole)
    else:
        say(page(whole))
    return 0


def _row(store: Store, text: str) -> Any:
    from hub.errors import NotFoundError
    from hub.store import find

    wanted = find.parse([text])
    with store.reading() as conn:
        rows = find.find(conn, wanted, 2) if wanted.ids else []
    if not rows:
        raise NotFoundError("no message has that id", where=text, cure="see hub find; or it was pruned")
    return rows[0]


def _whole(store: Store, row: Any, with_keys: bool) -> dict[str, Any]:
    """Everything known of a message but its body."""
    import orjson

    from hub import clock
    from hub.commands.rows import delivery_fact, fact
    from hub.store import find, written

    with store.reading() as conn:
        keys = find.keys_of(conn, row.id)
        chain = find.find(conn, find.MessageQuery(equal=(("trace", str(row.trace)),)), 100)
        whole = fact(row) | {
            "stages": orjson.loads(row.stages) if row.stages else [],
            "size_of_answer": len(row.answer) if row.answer else 0,
            "deliveries": [delivery_fact(d) for d in find.deliveries_of(conn, row.id)],
            "resources": [
                {"ref": w.ref, "version": w.version, "updated": clock.iso(w.updated), "current": w.current}
                for w in written.written_by(conn, row.id, row.mapped_at)
            ],
            "chain": [fact(one) for one in reversed(chain)] if len(chain) > 1 else [],
            "keys": sorted(keys) if with_keys else len(keys),
        }
    return whole | {"order_key": row.order_key} if with_keys else whole


def _lineage(store: Store, row: Any, as_json: bool) -> int:
    from hub.channel.lineage import traces, unmapped
    from hub.commands.asking import spec_of
    from hub.commands.output import note, plain, say
    from hub.engine import pipeline
    from hub.fhir.draft import Draft

    spec = spec_of(store.settings, row.channel)
    if row.revision and spec.revision != row.revision:
        note(f"mapped by revision {row.revision}; shown by the file as it is now, {spec.revision}")
    result = pipeline.run(spec, store.bodies.read(bytes(row.body)), origins=True)
    draft = result.draft or Draft()
    found = _short(traces(draft))
    left = unmapped(spec.format, result.source, draft)
    if as_json:
        print_json({"revision": spec.revision, "lineage": found, "unmapped": left,
                    "error": str(result.error) if result.error else None})  # fmt: skip
    else:
        say([f"{path} \N{LEFTWARDS ARROW} {plain(origin)}" for path, origin in found])
        if left:
            say(["", f"never mapped: {', '.join(left)}"])
        if result.draft is None and result.error is None:
            note(f"no mapping of the channel takes {plain(row.type)}")
    if result.error is not None:
        note(f"held: {result.error}")
    return 1 if result.error is not None else 0


def _short(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """``Patient.birthDate`` when one Patient comes of the message, ``Encounter/3f0c1234.status`` when several."""
    heads = {path.partition(".")[0] for path, _ in found}
    kinds = [head.partition("/")[0] for head in heads]
    alone = {head: head.partition("/")[0] for head in heads if kinds.count(head.partition("/")[0]) == 1}
    out = []
    for path, origin in found:
        head, dot, rest = path.partition(".")
        out.append((f"{alone.get(head, head)}{dot}{rest}", origin))
    return out
