"""The page of a CDA document: what people read, and what can never come out (W3C CSP 3, OWASP XSS)."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import ParseError
from hub.services.documents.html import Page, render

SAMPLES = Path(__file__).parents[3] / "hub" / "testing" / "samples"
SHARED = Path(__file__).parents[4] / "shared" / "data" / "cda"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 20).decode()

TAGS = set(
    """html head meta title style body header main section h1 h2 h3 h4 h5 h6 p dl dt dd nav strong ol ul li a div
    span table caption thead tbody tfoot tr th td col colgroup b i em u sub sup small br img pre footer""".split()  # noqa: SIM905
)
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "aria-label", "href", "rel", "id", "scope"}
ATTRIBUTES |= {"colspan", "rowspan", "span", "src", "alt"}


class Seen(HTMLParser):
    """What a browser finds in a page."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page.octets.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def cda(body: str, head: str = "", more: str = "") -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2.3" extension="d1"/>
<code code="34794-8" displayName="CR de réunion"/><title>Fiche RCP</title>
<effectiveTime value="20260305110000+0100"/>{head}<component>{body}</component>{more}</ClinicalDocument>""".encode()


def section(text: str, title: str = "Motif", more: str = "") -> str:
    return (
        f"<structuredBody><component><section><title>{title}</title><text>{text}</text>{more}"
        "</section></component></structuredBody>"
    )


def file(kind: str, octets: bytes) -> str:
    coded = base64.b64encode(octets).decode()
    return f'<nonXMLBody><text mediaType="{kind}" representation="B64">{coded}</text></nonXMLBody>'


def safe(page: Page) -> Seen:
    """The page, once it is sure that nothing in it can run or reach out."""
    seen = Seen(page)
    for tag, attrs in seen.tags:
        assert tag in TAGS, tag
        assert set(attrs) <= ATTRIBUTES, (tag, attrs)
        assert re.match(r"(https?://|mailto:|tel:|#)|$", attrs.get("href") or "", re.IGNORECASE), attrs
        assert re.match(r"data:image/(png|jpeg|gif);base64,|$", attrs.get("src") or ""), attrs
        assert re.fullmatch(r"([ns]-.*)?", attrs.get("id") or ""), attrs
    return seen


def test_the_policy_allows_the_style_of_the_page_and_nothing_else() -> None:
    page = render(cda(section("x")))
    style = re.search(r"<style>(.*?)</style>", page.octets.decode(), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(sha256(style[1].encode()).digest()).decode()
    assert page.policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:;")
    (meta,) = [m for m in Seen(page).all("meta") if m.get("http-equiv")]
    assert meta["content"] == page.policy


PATIENT = """<confidentialityCode code="R"/><versionNumber value="2"/>
<recordTarget><patientRole><id root="1.2.250.1.213.1.4.8" extension="279035121518989"/>
<id root="1.2.3.4" extension="42"/>
<id root="1.2.5"/><addr><houseNumber>28</houseNumber><city>PARIS</city></addr>
<telecom value="tel:0102030405"/><telecom/>
<patient><name><family qualifier="BR">DURAND</family><family qualifier="SP">MARTIN</family>
<given>ANNE MARIE</given><given qualifier="BR">ANNE</given><given qualifier="CL">Annie</given></name>
<administrativeGenderCode code="F"/><birthTime value="19790328"/>
<birthplace><place><addr><county>51215</county><city>DOMPREMY</city></addr></place></birthplace></patient>
</patientRole></recordTarget>
<author><time value="2026"/><assignedAuthor><code displayName="Oncologue"/><assignedPerson><name><prefix>M</prefix>
<given>Charles</given><family>MULLER</family><suffix>DR</suffix></name></assignedPerson><representedOrganization>
<name>CH d'Angers</name></representedOrganization></assignedAuthor></author>
<author><assignedAuthor><assignedAuthoringDevice><softwareName>Logiciel</softwareName></assignedAuthoringDevice>
</assignedAuthor></author><author/>
<custodian><assignedCustodian><representedCustodianOrganization><name>CHU</name></representedCustodianOrganization>
</assignedCustodian></custodian>
<informationRecipient><intendedRecipient><informationRecipient><name>Dr Traitant</name></informationRecipient>
</intendedRecipient></informationRecipient><informationRecipient/>
<legalAuthenticator><time value="20260305"/><assignedEntity><assignedPerson><name>A B</name></assignedPerson>
</assignedEntity></legalAuthenticator>
<documentationOf><serviceEvent><code><originalText>RCP sein</originalText></code>
<effectiveTime><low value="202603051000"/><high value="202603051130"/></effectiveTime></serviceEvent></documentationOf>
<documentationOf/>
<relatedDocument typeCode="RPLC"><parentDocument><id root="1.2.3" extension="d0"/></parentDocument></relatedDocument>
<componentOf><encompassingEncounter><code code="VR"/><effectiveTime><low value="20260301"/><high value="20260302"/>
</effectiveTime></encompassingEncounter></componentOf>"""


def test_the_header_says_who_what_and_when_in_french() -> None:
    """RNIV: birth name, first birth name, birth date, sex and place of birth identify a person."""
    text = safe(render(cda(section("x"), PATIENT))).text
    for said in [
        "Fiche RCP", "CR de réunion", "Annie MARTIN", "Nom de naissance DURAND", "Premier prénom de naissance ANNE",
        "Date de naissance 28/03/1979", "Sexe Féminin", "Lieu de naissance DOMPREMY (51215)",
        "Matricule INS 2 79 03 51 215 189 89", "Identifiant patient 42 (1.2.3.4)", "Adresse 28 PARIS",
        "Contact Tél. 0102030405", "Date du document 05/03/2026 à 11:00",
        "Auteur DR Charles MULLER, Oncologue, CH d'Angers", "Auteur Logiciel", "Validé par A B, le 05/03/2026",
        "Établissement CHU", "Destinataire Dr Traitant", "Acte documenté RCP sein, le 05/03/2026 de 10:00 à 11:30",
        "Prise en charge VR, du 01/03/2026 au 02/03/2026", "Remplace le document d0", "Version 2",
        "Confidentialité Restreint", "Document 1.2.3^d1.",
    ]:  # fmt: skip
        assert said in text, said


@pytest.mark.parametrize(
    ("time", "said"),
    [
        ('<effectiveTime value="2026"/>', "2026"),
        ('<effectiveTime value="202603"/>', "03/2026"),
        ('<effectiveTime value="hier"/>', "hier"),
        ('<effectiveTime><low value="20260305"/></effectiveTime>', "depuis le 05/03/2026"),
        ('<effectiveTime><high value="20260305"/></effectiveTime>', "jusqu'au 05/03/2026"),
        ('<effectiveTime><low value="20260305"/><high value="20260305"/></effectiveTime>', "le 05/03/2026"),
        ("<effectiveTime/>", ""),
    ],
)
def test_times_are_as_precise_as_they_were_written(time: str, said: str) -> None:
    head = f"<documentationOf><serviceEvent>{time}</serviceEvent></documentationOf>"
    text = safe(render(cda(section("x"), head))).text
    assert (f"Acte documenté {said} " if said else "Acte documenté") in text or not said
    assert ("Acte documenté" in text) == bool(said)


def test_a_document_without_patient_says_so() -> None:
    text = safe(render(cda(section("x")))).text
    assert "Patient non identifié" in text


def test_narrative_keeps_its_structure() -> None:
    text = (
        '<paragraph ID="p1">un <content styleCode="Bold Italics">gras</content> deux<br/>trois</paragraph>'
        '<list listType="ordered"><caption>Liste</caption><item>a</item></list><list><item>b</item></list>'
        '<table><caption>Titre</caption><colgroup><col span="2"/></colgroup><thead><tr><th>C</th></tr></thead>'
        '<tbody><tr><th>L</th><td colspan="2" rowspan="x">v</td></tr></tbody></table>'
        '<linkHtml href="https://example.org/x">lien</linkHtml><linkHtml href="#p1">renvoi</linkHtml>'
        "<caption>Seul</caption><other>reste <sub>2</sub></other>"
    )
    page = render(cda(section(text)))
    made = page.octets.decode()
    safe(page)
    assert '<p id="n-p1">un <span><b><i>gras</i></b></span> deux<br>trois</p>' in made
    assert "<ol><li><b>Liste</b></li><li>a</li></ol><ul><li>b</li></ul>" in made
    assert '<div class="table"><table><caption>Titre</caption><colgroup><col span="2"></colgroup>' in made
    assert '<th scope="col">C</th>' in made
    assert '<th scope="row">L</th><td colspan="2">v</td>' in made
    assert '<a href="https://example.org/x" rel="noopener noreferrer nofollow">lien</a>' in made
    assert '<a href="#n-p1">renvoi</a>' in made
    assert "<p><b>Seul</b></p>reste <sub>2</sub>" in made


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '<paragraph onclick="alert(1)" style="background:url(http://x)">a</paragraph>',
        '<linkHtml href="javascript:alert(1)">a</linkHtml>',
        '<linkHtml href=" JaVaScRiPt:alert(1)">a</linkHtml>',
        '<linkHtml href="data:text/html,x">a</linkHtml>',
        '<linkHtml href="//evil.example/x">a</linkHtml>',
        '<linkHtml href="https://x y">a</linkHtml>',
        "<linkHtml>a</linkHtml>",
        '<svg xmlns="http://www.w3.org/2000/svg" onload="x()"><script>1</script></svg>',
        '<iframe src="http://evil.example"/><img src="http://evil.example/x.png"/><object data="x"/><form action="x"/>',
        '<content ID="&quot; onmouseover=&quot;x">a</content>',
        "<content>&lt;script&gt;alert(1)&lt;/script&gt;&lt;/style&gt;</content>",
        '<renderMultiMedia referencedObject="nowhere"/>',
        "<?xml-stylesheet href='x'?><!-- &lt;script> -->",
    ],
)
def test_what_could_do_harm_does_not_come_out(text: str) -> None:
    seen = safe(render(cda(section(text), more="<x/>")))
    assert not [a for a in seen.all("a") if not (a["href"] or "").startswith(("#", "http"))]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (
            f'<value mediaType="image/png" representation="B64">{PNG[:8]}\n {PNG[8:]}</value><text>Un schéma</text>',
            True,
        ),
        (f'<value mediaType="image/svg+xml" representation="B64">{PNG}</value>', False),
        (f'<value mediaType="image/jpeg" representation="B64">{PNG}</value>', False),
        (f'<value mediaType="image/png">{PNG}</value>', False),
        (f'<value mediaType="image/png" representation="B64" compression="DF">{PNG}</value>', False),
        (f'<value mediaType="image/png" representation="B64">{PNG}" onerror="x</value>', False),
        ('<value mediaType="image/png" representation="B64">é</value>', False),
        ('<value mediaType="image/png"><reference value="http://evil.example/x.png"/></value>', False),
        ("", False),
    ],
)
def test_a_picture_is_shown_when_the_document_carries_it(value: str, shown: bool) -> None:
    entry = f'<entry><observationMedia ID="m1">{value}</observationMedia></entry>'
    seen = safe(render(cda(section('<renderMultiMedia referencedObject="m1"/>', more=entry))))
    assert bool(seen.all("img")) is shown
    if shown:
        assert seen.all("img") == [{"src": f"data:image/png;base64,{PNG}", "alt": "Un schéma"}]
    else:
        assert "[image non affichée]" in seen.text


def test_sections_nest_and_are_listed_when_there_are_many() -> None:
    inner = "<component><section><code displayName='Dedans'/><text>i</text></section></component>"
    one = "<component><section><title>T</title><text>  </text>" + inner + "</section></component>"
    page = render(cda(f"<structuredBody>{one * 4}</structuredBody>"))
    seen = safe(page)
    assert [a["href"] for a in seen.all("a")] == ["#s-1", "#s-2", "#s-3", "#s-4"]
    assert len(seen.all("h3")) == 4
    assert not safe(render(cda(f"<structuredBody>{one * 3}</structuredBody>"))).all("nav")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<structuredBody/>", "Ce document n'a pas de texte."),
        ("", "Ce document n'a pas de contenu."),
        ("<nonXMLBody><text>deux\nlignes &lt;b></text></nonXMLBody>", "deux lignes <b>"),
        (file("text/plain", "é\x00\xa0: x".encode()), "é\ufffd : x"),
        (file("text/plain", "œ".encode("cp1252")), "œ"),
        (file("text/plain", b"\x81"), "[texte illisible]"),
        (file("text/plain", b"").replace("></text>", ">?</text>"), "[texte illisible]"),
        (file("application/pdf", b"%PDF-"), "fichier joint (PDF, 1 ko)"),
        (file("application/pdf", b"\0" * 1_500_000), "PDF, 1,5 Mo"),
        ('<nonXMLBody><text mediaType="text/html"><reference value="x"/></text></nonXMLBody>', "joint (text/html)"),
    ],
    ids=range(10),
)
def test_a_body_without_structure(body: str, said: str) -> None:
    assert said in safe(render(cda(body))).text


def test_a_file_is_linked_to_where_its_address_is_known_and_a_scan_is_shown() -> None:
    page = render(cda(file("application/pdf", b"%PDF-")), attachment="https://hub.example/fhir/Binary/b1")
    assert '<a href="https://hub.example/fhir/Binary/b1">Ouvrir le document (PDF, 1 ko)</a>' in page.octets.decode()
    assert len(safe(render(cda(file("image/png", base64.b64decode(PNG))))).all("img")) == 1


def test_a_document_in_a_style_sheet_is_rendered_by_our_rules() -> None:
    inner = cda(section("bonjour")).decode().partition("?>")[2]
    xsl = '<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0"><xsl:template match="/">'
    page = render(f"{xsl}<script>x()</script></xsl:template><Contenu>{inner}</Contenu></xsl:stylesheet>".encode())
    assert "bonjour" in safe(page).text


@pytest.mark.parametrize("octets", [b"", b"<x/>", b"<!DOCTYPE x><x/>", b"\x00"])
def test_what_is_no_cda_is_refused(octets: bytes) -> None:
    with pytest.raises(ParseError):
        render(octets)


def test_documents_that_are_shipped_and_shared() -> None:
    files = [*SAMPLES.glob("cda-*.xml"), *SHARED.glob("*.xml")]
    assert files
    for file in files:
        text = safe(render(file.read_bytes())).text
        assert "non identifié" not in text, file.name


NAMES = ["paragraph", "content", "list", "item", "table", "tr", "td", "th", "linkHtml", "renderMultiMedia", "caption"]
NAMES += ["script", "style", "br", "col", "footnote", "img", "svg", "template", "textarea", "title", "noscript", "math"]
VALUES = st.sampled_from(
    ["#x", "javascript:x()", "https://a/b", '"><script>', "Bold", "bold underline", "ordered", "12", "x'y", "&"]
)


@st.composite
def trees(draw: st.DrawFn, depth: int = 4) -> str:
    from xml.sax.saxutils import escape, quoteattr

    name = draw(st.sampled_from(NAMES))
    keys = draw(
        st.lists(
            st.sampled_from(["ID", "href", "styleCode", "listType", "onclick", "colspan", "src", "style"]), unique=True
        )
    )
    attributes: Any = "".join(f" {key}={quoteattr(draw(VALUES))}" for key in keys)
    text = escape(draw(st.sampled_from(["", "a", "</style>", "<script>x</script>", "&amp;", "]]>", "<!--", "-->"])))
    inner = "".join(draw(st.lists(trees(depth - 1), max_size=3))) if depth else ""
    return f"<{name}{attributes}>{text}{inner}{text}</{name}>{text}"


@given(trees())
@settings(max_examples=150, deadline=None)
def test_nothing_runs_whatever_the_narrative_holds(text: str) -> None:
    safe(render(cda(section(text))))
