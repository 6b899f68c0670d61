"""What each page shows: made of the FHIR answer that a client would have had.

R4 §3.1.1.4 (Bundle of a search), §3.1.0.13 (history), §2.28 (OperationOutcome), §2.4 (narrative, which is
sanitised to text, lists and tables by nh3 before it is shown).
"""

from __future__ import annotations

from typing import Any

import nh3
from lxml import etree
from markupsafe import Markup

from hub.errors import HubError
from hub.facade.browse import code, values
from hub.facade.browse.words import columns, say
from hub.fhir.jsontext import exact, write

_TAGS = {
    "p", "br", "div", "span", "b", "strong", "i", "em", "u", "sub", "sup", "ul", "ol", "li", "dl", "dt", "dd", "table",
    "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "code", "hr",
    "blockquote",
}  # fmt: skip
_ATTRIBUTES = {"td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan", "scope"}}
_FACTS = ("status", "period", "identifier", "note", "issued", "authored", "recorded")
Known = dict[str, Any]


def of(body: bytes, path: str, base: str, language: str) -> tuple[str, Known]:
    """(name of the template, what it needs) of an answer.

    :param body: JSON octets of a resource.
    :param path: of the request.
    """
    resource = exact(body)
    kind = resource["resourceType"]
    if kind == "Bundle" and resource.get("type") == "history":
        return "history.html", _history(resource, base)
    if kind == "Bundle" and "/Bundle/" not in path:
        return "results.html", _results(resource, base, language)
    if kind == "OperationOutcome":
        return "outcome.html", {"issues": _objects(resource.get("issue"))}
    if kind == "CapabilityStatement" and path.endswith("/metadata"):
        return "capabilities.html", {"statement": resource, "rest": resource["rest"][0]}
    return "resource.html", _resource(resource, body, base, language)


def _results(bundle: Known, base: str, language: str) -> Known:
    entries = _objects(bundle.get("entry"))
    groups: dict[tuple[str, str], list[Known]] = {}
    remarks: list[Known] = []
    for one in entries:
        resource = one.get("resource")
        if not isinstance(resource, dict):
            continue
        search = one.get("search")
        mode = search.get("mode", "match") if isinstance(search, dict) else "match"
        if mode == "outcome":
            remarks += _objects(resource.get("issue"))
        else:
            groups.setdefault((str(mode), str(resource.get("resourceType"))), []).append(resource)
    links = {one.get("relation"): one.get("url") for one in _objects(bundle.get("link"))}
    tables = [_table(mode, kind, found, base, language) for (mode, kind), found in groups.items()]
    shown = sum(len(t["rows"]) for t in tables if t["mode"] == "match")
    following = str(links.get("next") or "").removeprefix(base)
    return {"tables": tables, "total": bundle.get("total"), "shown": shown, "issues": remarks,
            "next": f"/fhir{following}" if following.startswith("/_page/") else ""}  # fmt: skip


def _table(mode: str, kind: str, resources: list[Known], base: str, language: str) -> Known:
    cells = {path: [values.shown(values.at(r, path), base, language) for r in resources] for path in columns(kind)}
    used = [path for path, column in cells.items() if any(column)]
    rows = [
        {"href": f"/fhir/{kind}/{r.get('id')}", "cells": [cells[path][n] for path in used],
         "title": values.title(r, language)}
        for n, r in enumerate(resources)
    ]  # fmt: skip
    heads = [say(path.split(".")[-1] if path.endswith((".start", ".actor")) else path.split(".")[0], language)
             for path in used]  # fmt: skip
    return {"mode": mode, "kind": kind, "heads": heads, "rows": rows}


def _resource(resource: Known, body: bytes, base: str, language: str) -> Known:
    kind = resource["resourceType"]
    names = [p.split(".")[0] for p in columns(kind)]
    more = [n for n in resource if n in _FACTS or n.endswith(("DateTime", "Period", "Reference"))]
    paths = dict.fromkeys([*columns(kind), *(n for n in more if n not in names)])
    facts = [(say(p.split(".")[0], language), values.shown(values.at(resource, p), base, language)) for p in paths]
    text = resource.get("text")
    meta = resource.get("meta")
    return {
        "resource": resource, "title": values.title(resource, language), "meta": meta if isinstance(meta, dict) else {},
        "updated": values.shown(values.at(resource, "meta.lastUpdated"), base, language),
        "facts": [(label, found) for label, found in facts if found],
        "narrative": narrative(text.get("div") if isinstance(text, dict) else None),
        "json": code.json(body, base), "xml": _xml(body, base),
    }  # fmt: skip


def narrative(div: Any) -> Markup:
    """The narrative without anything that could act, load or lay itself over the page."""
    if not isinstance(div, str):
        return Markup("")
    # Sanitised above all doubt: text, lists and tables, no styles, links or pictures.
    return Markup(nh3.clean(div, tags=_TAGS, attributes=_ATTRIBUTES, link_rel=None))  # noqa: S704


def _xml(body: bytes, base: str) -> Markup:
    from hub.fhir.xml import to_xml

    if len(body) > code.SHOWN:
        return Markup("")
    try:
        root = etree.fromstring(to_xml(body), etree.XMLParser(resolve_entities=False, no_network=True))
    except (HubError, etree.XMLSyntaxError):  # what messages left need not be R4, and is shown as JSON
        return Markup("")
    etree.indent(root)
    return code.xml(etree.tostring(root, encoding="unicode"), base)


def _history(bundle: Known, base: str) -> Known:
    entries = _objects(bundle.get("entry"))
    links = {one.get("relation"): one.get("url") for one in _objects(bundle.get("link"))}
    made = []
    for n, one in enumerate(entries):
        ref = str(one.get("fullUrl", "")).removeprefix(f"{base}/")
        older = next((o for o in entries[n + 1 :] if o.get("fullUrl") == one.get("fullUrl")), None)
        resource = one.get("resource")
        number = str(one.get("response", {}).get("etag", "")).strip('W/"')
        made.append({
            "ref": ref, "version": number, "method": one.get("request", {}).get("method"),
            "when": one.get("response", {}).get("lastModified", ""), "deleted": resource is None,
            "source": str(values.at(resource, "meta.source")[0]) if values.at(resource, "meta.source") else "",
            "older": older is not None and older.get("resource") is not None and resource is not None,
            "changes": _compared(older, one),
        })  # fmt: skip
    following = str(links.get("next") or "").removeprefix(base)
    return {"entries": made, "total": bundle.get("total"),
            "next": f"/fhir{following}" if following.startswith("/_page/") else ""}  # fmt: skip


def _compared(older: Known | None, newer: Known) -> list[tuple[str, str]] | None:
    old, new = ((one or {}).get("resource") for one in (older, newer))
    if not isinstance(old, dict) or not isinstance(new, dict):
        return []
    return code.changes(*(write({k: v for k, v in one.items() if k != "meta"}) for one in (old, new)))


def _objects(value: Any) -> list[Known]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


__all__ = ["narrative", "of"]
