"""What is taken as a Subscription, and what is refused: criteria, endpoints, headers, rights."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import ForbiddenError, HubError, RefusedError
from hub.services.subscriptions import criteria, endpoints, model, sealing
from hub.settings import Settings
from hub.store import tokens
from tests.services.subscriptions.conftest import Hub, asking
from tests.waiting import until

URL = "https://app.example.org/in"
SETTINGS = Settings(subscription_endpoints=f"{URL} https://other.example.org", secret="s" * 40)


@pytest.mark.parametrize(
    ("criteria", "said"),
    [("Patient?colour=red", "colour"), ("Nothing?x=1", "type of resource"), ("Subscription?status=active", "type"),
     ("Patient?_sort=name", "_sort"), ("Patient?_content=secret", "texts"), ("Patient?birthdate=never", "birthdate"),
     ("http://example.org/topic", "topic"), ("x" * 5000, "long"), ("Patient?gender=\0", "NUL")],
)  # fmt: skip
def test_criteria_are_read_when_they_come(hub: Hub, criteria: str, said: str) -> None:
    """R4 §2.46.2: criteria are a search; one that the hub does not understand is refused, with its place."""
    if "\0" in criteria:
        criteria = "Patient?gender=%00"
    answer = hub.api.send("POST", "/fhir/Subscription", asking(f"{hub.peer.url}/hook", criteria))
    issue = orjson.loads(answer.data)["issue"][0]
    assert answer.status_code in (400, 422)
    assert said in issue["diagnostics"]
    assert "secret" not in issue["diagnostics"]


@pytest.mark.parametrize("kind", ["websocket", "sms", "message"])
def test_other_channels_are_refused_by_name(hub: Hub, kind: str) -> None:
    """A channel that the hub does not have is told at once, not found out later."""
    issue = hub.api.refused(422, "POST", "/fhir/Subscription", asking(f"{hub.peer.url}/hook", type=kind))
    assert f"does not notify by {kind}" in issue["diagnostics"]


@pytest.mark.parametrize(
    "url",
    ["https://evil.example.org/in", "http://app.example.org/in", "https://app.example.org/inside", f"{URL}/../x",
     f"{URL}/%2e%2e/x", f"{URL}/%252e%252e/x", "https://app.example.org:444/in", "https://u:p@app.example.org/in",
     "https://app.example.org@evil.example.org/in", "file:///etc/passwd", "gopher://app.example.org/in", "//x/in", "",
     f"{URL}#f", f"{URL} x", f"{URL}\n", "https://app.example.org\\@evil.example.org/in", "https://[::1",
     f"{URL}/" + "x" * 2000,
     "https://2130706433/in", "https://app.example.org:0/in", "https://app.example.org:x/in"],
)  # fmt: skip
def test_an_endpoint_that_is_not_on_the_list_is_refused(url: str) -> None:
    """OWASP SSRF prevention: an allow-list of origins and paths, whatever a URL pretends to be."""
    with pytest.raises(HubError):
        endpoints.check(model.read(asking(url)), SETTINGS)


@pytest.mark.parametrize(
    "url", [URL, f"{URL}/", f"{URL}/a/b?x=1", "https://APP.example.org:443/in", "https://other.example.org/x"]
)
def test_an_endpoint_on_the_list_is_taken(url: str) -> None:
    endpoints.check(model.read(asking(url)), SETTINGS)


def test_nothing_of_a_resource_goes_in_the_clear() -> None:
    """A payload needs https; a bare "something happened" may do without."""
    plain = Settings(subscription_endpoints="http://app.example.org")
    endpoints.check(model.read(asking("http://app.example.org/x")), plain)
    with pytest.raises(ForbiddenError, match="in the clear"):
        endpoints.check(model.read(asking("http://app.example.org/x", content="id-only")), plain)


@given(st.text(max_size=80) | st.from_regex(r"https?://[a-z.@:\\\[\]0-9%/]{0,40}", fullmatch=True))
def test_any_url_is_judged(url: str) -> None:
    """Nothing but the answer of the list comes of a URL, whatever it is."""
    try:
        endpoints.check(model.read(asking(url)), SETTINGS)
    except HubError:
        return
    assert url.lower().startswith(("https://app.example.org", "https://other.example.org"))


@pytest.mark.parametrize(
    ("address", "private", "good"),
    [("127.0.0.1", False, False), ("127.0.0.1", True, True), ("::1", False, False), ("::1", True, True),
     ("::ffff:127.0.0.1", False, False), ("10.1.2.3", False, False), ("10.1.2.3", True, True),
     ("169.254.169.254", True, False), ("fe80::1%eth0", True, False), ("0.0.0.0", True, False), ("::", True, False),
     ("224.0.0.1", True, False), ("64:ff9b::7f00:1", True, False), ("2002:7f00:1::", True, False),
     ("::ffff:169.254.169.254", True, False), ("240.0.0.1", True, False), ("100.64.0.1", False, False),
     ("fd00::1", False, False), ("fd00::1", True, True), ("8.8.8.8", False, True), ("2606:4700::1", False, True)],
)  # fmt: skip
def test_addresses_are_judged_on_the_socket(address: str, private: bool, good: bool) -> None:
    """RFC 6890: what is not globally reachable is taken only when it is allowed; what hides another, never."""
    if good:
        endpoints.judge(address, private=private, secure=True, data=True)
    else:
        with pytest.raises(RefusedError):
            endpoints.judge(address, private=private, secure=True, data=True)


def test_an_address_in_a_private_network_is_not_called(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is on the list, the address it leads to is not allowed: the socket is closed before a byte is sent."""
    closed = hub.store.settings.model_copy(update={"subscription_private": False})
    monkeypatch.setattr(hub.store, "settings", closed)
    fid = hub.subscribe(status="error")
    assert "address" in hub.read(fid)["error"]
    assert hub.peer.got == []


def test_headers_are_sent_and_never_shown(hub: Hub) -> None:
    """R4 §2.46.7: headers hold tokens. They are sealed in the store, in its history and in what is answered."""
    asked = asking(f"{hub.peer.url}/hook", header=["Authorization: Bearer abc.def", "X-Tenant: 7"])
    answer = hub.api.send("POST", "/fhir/Subscription", asked)
    fid = orjson.loads(answer.data)["id"]
    until(lambda: hub.read(fid)["status"] == "active")
    assert tuple(hub.peer.got[0].headers[n] for n in ("authorization", "x-tenant")) == ("Bearer abc.def", "7")
    for shown in (answer.data, hub.stored(fid), hub.api.ask(f"/fhir/Subscription/{fid}/_history").data):
        assert b"abc.def" not in shown
    before = hub.read(fid)
    hub.api.send("PUT", f"/fhir/Subscription/{fid}", before | {"channel": asked["channel"]})
    assert before["meta"]["versionId"] == hub.read(fid)["meta"]["versionId"]  # the same header, the same seal


def test_a_seal_opens_for_its_endpoint_only(hub: Hub) -> None:
    """Who may read a Subscription must not have its token sent to an endpoint of their own."""
    fid = hub.subscribe(header=["Authorization: Bearer abc.def"])
    stolen = hub.read(fid)["channel"]["header"]
    issue = hub.api.refused(
        400, "POST", "/fhir/Subscription", asking(f"{hub.peer.url}/hook/mine", header=stolen)
    )  # fmt: skip
    assert "another endpoint" in issue["diagnostics"]
    with pytest.raises(HubError, match="another endpoint"):
        sealing.opened("sealed:AAAA", URL, SETTINGS)


@pytest.mark.parametrize(
    "header", ["no colon", "X: a\r\nY: b", "Host: evil", "X: é", "X: " + "a" * 5000, "Idempotency-Key: 1"]
)
def test_what_is_no_header_is_refused(header: str) -> None:
    """Nothing that ends a header early, or that HTTP itself says."""
    with pytest.raises(HubError) as refused:
        model.read(asking(URL, header=[header]))
    assert "evil" not in str(refused.value)


def test_headers_need_a_secret_to_be_kept_with() -> None:
    with pytest.raises(HubError, match="no secret"):
        sealing.seal(asking(URL, header=["X: y"]), Settings())


def test_who_may_not_search_may_not_subscribe(hub: Hub) -> None:
    """A Subscription sends what a search would show, so a token that only writes does not do."""
    writer = tokens.issue(hub.store, "writer", ["system/*.write"])
    asked = orjson.dumps(asking(f"{hub.peer.url}/hook"))
    found = hub.api.ask("/fhir/Subscription", "POST", token=writer, data=asked, content_type="application/fhir+json")
    assert found.status_code == 403


def test_a_subscription_that_nobody_checked_gets_a_reason(hub: Hub) -> None:
    """One that came by a message, with criteria the hub does not know, says so itself."""
    hub.write(asking(f"{hub.peer.url}/hook", "Patient?colour=red") | {"id": "m1"})
    until(lambda: hub.read("m1")["status"] == "error")
    assert "colour" in hub.read("m1")["error"]
    hub.write(asking(f"{hub.peer.url}/hook", header=["X: y"]) | {"id": "m2"})
    until(lambda: hub.read("m2")["status"] == "error")
    assert "in the clear" in hub.read("m2")["error"]


_NAMES = st.sampled_from(["header", "payload", "_payload", "extension", "url", "valueCode", "valueUnsignedInt"])
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just(f"{model.BACKPORT}payload-content"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["criteria", "end", "status", "_criteria", "id"]), _ANY),
    st.dictionaries(_NAMES, _ANY, max_size=5),
)
def test_any_json_is_understood_or_refused(resource: dict[str, Any], channel: dict[str, Any]) -> None:
    """A resource of any form gives a Subscription or an error of the hub, never another exception."""
    channel = {"type": "rest-hook", "endpoint": URL} | channel
    try:
        asked = model.read(resource | {"channel": channel})
        criteria.read(asked, SETTINGS)
    except HubError:
        return
