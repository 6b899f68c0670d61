"""/fhir in a browser: pages that say what the API says, to those who may know it, and that run nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as parser
from werkzeug.test import Client, TestResponse

from hub.facade.browse import code, session, values, view, words
from hub.facade.context import served
from hub.fhir.search import params, types
from hub.store import tokens

from .conftest import Api

# As Chromium sends it: to take the most specific of these for the best would be to miss text/html.
HTML = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7",
    "Accept-Language": "fr",
}
BASE = "http://127.0.0.1:8080/fhir"
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'
ANNE: dict[str, Any] = {
    "resourceType": "Patient", "id": "anne", "name": [{"family": "Lefèvre", "given": ["Anne"]}],
    "birthDate": "1950-02-03", "gender": "female", "managingOrganization": {"reference": "Organization/ch"},
    "text": {"status": "generated", "div": DIV.format(
        '<p onclick="x()" style="position:fixed">suivie <b>ici</b></p><script>alert(1)</script>'
        '<a href="javascript:alert(2)">lien</a><img src="http://evil.example/x.png"/>')},
}  # fmt: skip
STAY = {"resourceType": "Encounter", "id": "stay", "status": "finished", "subject": {"reference": "Patient/anne"},
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}}  # fmt: skip


def look(api: Api, path: str, **more: Any) -> TestResponse:
    return api.ask(path, headers=HTML | more.pop("headers", {}), **more)


def page(api: Api, path: str, status: int = 200, **more: Any) -> str:
    answer = look(api, path, **more)
    assert (answer.status_code, answer.content_type) == (status, "text/html; charset=utf-8")
    return str(answer.get_data(as_text=True))


def text(document: str) -> str:
    return " ".join(parser.fromstring(document).text_content().split())


@pytest.mark.parametrize("path", ["/fhir", "/fhir/Patient", "/fhir/Patient/anne", "/fhir/Patient/anne/_history",
                                  "/fhir/metadata", "/fhir/Patient/nobody", "/fhir/Patient?colour=1"])  # fmt: skip
def test_a_page_runs_and_loads_nothing(api: Api, path: str) -> None:
    """CSP 3: no script at all, styles of this server only; WCAG 2.4.2, 3.1.1, 1.3.1: title, language, one h1,
    a label for each field; and nothing of a person stays in the browser."""
    api.put(ANNE)
    answer = look(api, path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers
    tree = parser.fromstring(answer.get_data(as_text=True))
    assert tree.xpath("//script | //style | //img | //iframe | //@style | //@onclick") == []
    assert [href for href in tree.xpath("//@href | //@src | //@action") if "://" in href or "javascript" in href] == []
    assert (tree.get("lang"), len(tree.xpath("//h1")), len(tree.xpath("//main"))) == ("fr", 1, 1)
    ids = tree.xpath("//input[not(@type='hidden')]/@id")
    assert set(ids) == set(tree.xpath("//label/@for"))
    assert len(ids) == len(set(ids))


def test_who_did_not_sign_in_sees_the_sign_in(api: Api) -> None:
    """Nothing of the store is shown; the token goes into a cookie that no script and no other site can use."""
    api.put(ANNE)
    client = Client(api.application)
    first = client.get("/fhir/Patient/anne", headers=HTML)
    assert first.status_code == 401
    assert "Jeton" in first.get_data(as_text=True)
    assert "Lefèvre" not in first.get_data(as_text=True)
    wrong = client.post("/fhir/_browse", data={"token": "x", "next": "/fhir/Patient/anne"}, headers=HTML)
    assert (wrong.status_code, "Set-Cookie" in wrong.headers) == (401, False)
    assert "inconnu, expiré ou révoqué" in wrong.get_data(as_text=True)
    done = client.post("/fhir/_browse", data={"token": api.token, "next": "/fhir/Patient/anne"}, headers=HTML)
    assert (done.status_code, done.headers["Location"]) == (303, "/fhir/Patient/anne")
    cookie = done.headers["Set-Cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/fhir"))
    assert "Max-Age" not in cookie
    assert "Expires" not in cookie
    assert "Anne LEFÈVRE" in client.get("/fhir/Patient/anne", headers=HTML).get_data(as_text=True)
    assert client.post("/fhir/_browse/out", headers=HTML).status_code == 303
    assert client.get("/fhir/Patient/anne", headers=HTML).status_code == 401


def test_the_cookie_only_reads(api: Api) -> None:
    """No other site can write, search or sign in through it (CSRF); neither can a form of our own write."""
    client = Client(api.application)
    client.post("/fhir/_browse", data={"token": api.token, "next": ""}, headers=HTML)
    made = client.put("/fhir/Patient/x", json={"resourceType": "Patient", "id": "x"}, headers=HTML)
    assert made.status_code == 401
    assert client.delete("/fhir/Patient/x").status_code == 401
    assert client.get("/fhir/Patient", headers=HTML).status_code == 200
    for header in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert client.get("/fhir/Patient", headers=HTML | header).status_code == 401
        assert client.post("/fhir/_browse/Patient", data={"name": "x"}, headers=HTML | header).status_code == 401
        forged = client.post("/fhir/_browse", data={"token": api.token}, headers=HTML | header)
        assert (forged.status_code, "Set-Cookie" in forged.headers) == (403, False)
        client.post("/fhir/_browse/out", headers=HTML | header)
    assert client.get("/fhir/Patient", headers=HTML | {"Sec-Fetch-Site": "same-origin"}).status_code == 200
    revoked = Client(api.application)
    revoked.set_cookie(session.COOKIE, "hub_x", path="/fhir")
    assert revoked.get("/fhir/Patient", headers=HTML).status_code == 401


@pytest.mark.parametrize(
    ("asked", "given"),
    [("/fhir/Patient?name=x", "/fhir/Patient?name=x"), ("/fhir", "/fhir"), ("//evil.example", "/fhir"), ("", "/fhir"),
     ("https://evil.example/fhir", "/fhir"), ("/fhir\\@evil", "/fhir"), ("/fhirevil", "/fhir"), 
     ("/fhir/\r\nX: 1", "/fhir")],
)  # fmt: skip
def test_the_sign_in_leads_nowhere_else(asked: str, given: str) -> None:
    """OWASP: no open redirect."""
    assert session.inside(asked) == given


def test_a_token_sees_what_it_may(api: Api) -> None:
    """RFC 6750 §3.1: 403, said in words."""
    secret = tokens.issue(api.store, "narrow", ["system/Organization.r"])
    assert "Accès refusé" in page(api, "/fhir/Patient/anne", 403, token=secret)


def test_a_search_stays_out_of_addresses(api: Api) -> None:
    """By POST; fields left empty do not count; what was typed stands in the form again."""
    api.put(ANNE, STAY)
    found = page(api, "/fhir/_browse/Patient", method="POST", data={"name": " lefevre ", "birthdate": "", "gender": ""})
    tree = parser.fromstring(found)
    assert "1 résultat" in text(found)
    assert tree.xpath("//tbody/tr/td[1]/a/@href") == ["/fhir/Patient/anne"]
    assert tree.xpath("//input[@name='name']/@value") == ["lefevre"]
    assert set(tree.xpath("//form[@role='search']/@method")) == {"post"}
    none = page(api, "/fhir/_browse/Patient", method="POST", data={"name": "nobody"})
    assert "ou retirez un critère" in text(none)
    assert "Aucun" not in text(found)


def test_the_form_has_every_parameter(api: Api) -> None:
    """R4 §3.1.1: those that people use stand open, the others below; composites cannot be typed."""
    for kind in ("Patient", "Observation", "Account"):
        names = parser.fromstring(page(api, f"/fhir/{kind}")).xpath("//form[@role='search']//input/@name")
        assert sorted(names) == sorted(n for n, p in params(kind).items() if p.kind != "composite")


def test_results_lead_on(api: Api) -> None:
    """Includes stand apart, references are links, and a further page is asked for by its token alone."""
    api.put(ANNE, STAY, *({"resourceType": "Patient", "id": f"p{n}"} for n in range(3)))
    found = parser.fromstring(page(api, "/fhir/Encounter?_include=Encounter:subject"))
    assert found.xpath("//h2/text()") == ["Venues et séjours", "Liés · Patients"]
    assert "/fhir/Patient/anne" in found.xpath("//td/a/@href")
    (following,) = parser.fromstring(page(api, "/fhir/Patient?_count=3")).xpath("//a[@rel='next']/@href")
    assert re.fullmatch(r"/fhir/_page/[\w-]+", following)
    assert len(parser.fromstring(page(api, following)).xpath("//tbody/tr")) == 1


def test_a_resource_is_shown_whole_and_harmless(api: Api) -> None:
    """R4 §2.4: of the narrative text and structure, nothing that acts; JSON and XML with links to follow."""
    api.put(ANNE)
    tree = parser.fromstring(page(api, "/fhir/Patient/anne"))
    (narrative,) = tree.xpath("//div[@class='narrative']")
    assert "suivie ici" in narrative.text_content()
    assert "alert" not in narrative.text_content()
    assert narrative.xpath(".//a | .//img | ./*//@* | ./*/@*") == []
    facts = dict(zip(tree.xpath("//dt/text()"), (d.text_content() for d in tree.xpath("//dd")), strict=True))
    assert (facts["Né(e) le"], facts["Sexe"]) == ("03/02/1950", "Femme")
    assert tree.xpath("//pre[@aria-label='JSON']/a/@href") == ["/fhir/Organization/ch"]
    assert '"birthDate": "1950-02-03"' in tree.xpath("//pre[@aria-label='JSON']")[0].text_content()


def test_history_says_what_changed(api: Api) -> None:
    """R4 §3.1.0.13: each version against the one before; a deletion has a page of its own, which leads there."""
    for body in (STAY, STAY | {"status": "in-progress"}, STAY | {"status": "in-progress"} | {"language": "fr"}):
        assert api.send("PUT", "/fhir/Encounter/stay", body).status_code in (200, 201)
    tree = parser.fromstring(page(api, "/fhir/Encounter/stay/_history"))
    lines = tree.xpath("//ins/text()")
    assert any('"language": "fr"' in line for line in lines)
    assert any('"in-progress"' in line for line in lines)
    assert any('"finished"' in line for line in tree.xpath("//del/text()"))
    assert len(tree.xpath("//li[@class='card']")) == 3
    assert "Version actuelle" in page(api, "/fhir/Encounter/stay/_history/1")
    assert api.send("DELETE", "/fhir/Encounter/stay").status_code == 204
    gone = parser.fromstring(page(api, "/fhir/Encounter/stay", 410))
    assert "/fhir/Encounter/stay/_history" in gone.xpath("//a/@href")
    assert "Supprimé" in page(api, "/fhir/Encounter/stay/_history")


def test_the_capability_statement_is_readable_by_all(api: Api) -> None:
    found = page(api, "/fhir/metadata", token="")
    assert "4.0.1" in found
    assert len(parser.fromstring(found).xpath("//tbody/tr")) == len(served())


def test_other_forms_are_as_they_were(api: Api) -> None:
    """A page is for who takes HTML best; ``_format`` decides; a document is a document."""
    api.put(ANNE)
    assert "<h1>" in api.ask("/fhir/Patient/anne?_format=html").get_data(as_text=True)
    for path, accept in (("/fhir/Patient/anne?_format=json", HTML["Accept"]), ("/fhir/Patient/anne", "*/*"),
                         ("/fhir/Patient/anne", "application/fhir+json, text/html;q=0.5")):  # fmt: skip
        assert api.ask(path, headers={"Accept": accept}).content_type.startswith("application/fhir+json")
    api.put({"resourceType": "Binary", "id": "doc", "contentType": "text/plain"}, octets=b"hello")
    assert look(api, "/fhir/Binary/doc").data == b"hello"
    assert "download" in page(api, "/fhir/Binary/doc?_format=html")
    assert api.ask("/fhir/_browse/style.css", token="").content_type == "text/css; charset=utf-8"


def test_english_for_those_who_ask(api: Api) -> None:
    found = page(api, "/fhir", headers={"Accept-Language": "en-GB,en;q=0.9"})
    assert "Find a patient" in found
    assert 'lang="en"' in found
    assert 'lang="fr"' in page(api, "/fhir", headers={"Accept-Language": "de"})


def test_words_and_columns_are_of_r4() -> None:
    """Each row of the tables is used: types exist, parameters exist, both languages say something."""
    for language in words.LANGUAGES:
        assert all(words.terms(language).values())
    for kind, (_, first) in words._shown().items():
        assert kind == "*" or (kind in types() and set(first) <= set(params(kind))), kind


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["family", "given", "start", "low", "coding", "text",
                         "line", "value", "reference", "url", "x"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(JSON, JSON)
def test_whatever_is_stored_can_be_looked_at(one: Any, other: Any) -> None:
    """What messages left need not be R4: a strange value is left out, and never fails."""
    from hub.fhir.jsontext import write

    resource = {"resourceType": "Patient", "id": "x", "name": one, "identifier": other, "text": one, "meta": other}
    view.of(write(resource), "/fhir/Patient/x", BASE, "fr")
    bundle = {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"resource": resource, "search": one}],
        "link": one,
    }
    view.of(write(bundle), "/fhir/Patient", BASE, "en")
    assert isinstance(values.title(resource, "fr"), str)


@given(st.text(), st.text())
def test_nothing_stored_is_markup(key: str, value: str) -> None:
    """JSON and XML on a page say what was stored, character by character."""
    from hub.fhir.jsontext import write

    made = str(code.json(write({key: f"<b>{value}"}), BASE))
    assert "<b>" not in made
    assert "<b>" not in str(code.xml(f'<x value="Patient/1"/><b>{value}', BASE))


def test_long_things_are_cut() -> None:
    long = b'{"data":"' + b"A" * 5000 + b'"}'
    assert "(5,000)" in code.json(long, BASE)
    assert code.changes(b"[" + b"1," * 4000 + b"1]", b"[]") is None
