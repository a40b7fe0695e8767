from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from flask import Flask

from models.base import db
from models.delivery import Attempt, Delivery
from models.event import Event
from models.finding import id_at
from models.intake import accept
from models.profile import Profile
from tests.file_rows import forget_everything
from web.profile_documents import save

from .conftest import Browser

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
CANARY = "<img src=x onerror=alert(1)>"


@pytest.fixture
def delivery(app: Flask) -> int:
    """One delivery with an attempt, and the canary in every text that others may write."""
    with app.app_context():
        session = db.session()
        forget_everything(session)
        profile = {
            "name": CANARY.replace("/", ""),
            "exportType": "postback",
            "settings": {"url": "https://receiver.example/"},
            "mappings": [{"exportName": CANARY, "field": "firstName"}],
            "routes": [{"customerType": "Partial", "campaign": CANARY, "product": "all"}],
        }
        number = save(session, profile, actor="test").profile.id
        session.commit()
        order = {
            "clientOrderId": CANARY,
            "customerId": CANARY,
            "firstName": CANARY,
            "emailAddress": CANARY,
            "phoneNumber": CANARY,
            "orderStatus": CANARY,
            "orderTotal": CANARY,
            "campaignId": CANARY,
            "campaignName": CANARY,
            "items": [{"productId": CANARY, "name": CANARY, "sku": CANARY}],
        }
        document = {"eventId": CANARY, "customerType": "Partial", "order": order}
        with session.connection().begin_nested():
            accept(session.connection(), [document], now=NOW, zone=ZoneInfo("UTC"))
        found = session.scalars(sa.select(Delivery).where(Delivery.profile_id == number)).one()
        session.add(
            Attempt(
                started_at=datetime.now(UTC),
                delivery_id=found.id,
                lease_token=1,
                number=1,
                duration_ms=41,
                method="GET",
                url=f"https://receiver.example/?{CANARY}",
                request_headers=[["X-Name", CANARY]],
                request_body=CANARY,
                status=503,
                response_headers=[[CANARY, CANARY]],
                response_body=CANARY,
                error=CANARY,
                outcome="failed",
            )
        )
        found.reason, found.tries = CANARY, 1
        session.commit()
        return found.id


def state_of(app: Flask, delivery_id: int) -> tuple[str, str | None]:
    with app.app_context():
        found = db.session.get_one(Delivery, delivery_id)
        return found.state, found.reason


def test_what_others_wrote_is_text_on_every_page(ada: Browser, app: Flask, delivery: int) -> None:
    with app.app_context():
        number = db.session.scalar(sa.select(Profile.id))
    paths = [
        "/admin/",
        "/admin/profiles/",
        f"/admin/profile/{number}",
        f"/admin/profiles/{number}/delete",
        f"/admin/preview/{number}",
        "/admin/deliveries/",
        f"/admin/deliveries/{delivery}",
        "/admin/customers/",
        "/admin/customers/one?id=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E",
        "/admin/campaigns/",
        "/admin/products/",
        "/admin/customers/?q=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E",
        "/admin/campaigns/?search=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E",
        "/admin/deliveries/?event=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E",
    ]
    for path in paths:
        page = ada.get(path)
        assert "<img src=x" not in page, path
        assert "img src=x" in page or "img+src" in page or path == "/admin/products/", path


def test_the_page_of_a_delivery_shows_request_and_answer(vera: Browser, delivery: int) -> None:
    page = vera.get(f"/admin/deliveries/{delivery}")
    for shown in ("Try 1", "GET https://receiver.example/?", "X-Name: ", "503", "41 ms", "failed"):
        assert shown in page
    assert "Send again" not in page


def test_the_list_is_filtered(vera: Browser, app: Flask, delivery: int) -> None:
    link = f'href="/admin/deliveries/{delivery}"'
    for query in ("", "?state=pending", f"?before={delivery + 1}", "?customer=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E"):
        assert link in vera.get(f"/admin/deliveries/{query}"), query
    for query in ("?state=delivered", "?profile=999999", f"?before={delivery}", "?customer=no", "?event=no"):
        assert link not in vera.get(f"/admin/deliveries/{query}"), query


def test_a_paused_profile_shows_what_waits_as_held(vera: Browser, app: Flask, delivery: int) -> None:
    with app.app_context():
        db.session.execute(sa.update(Profile).values(paused=True))
        db.session.commit()
    page = vera.get("/admin/deliveries/?state=held")
    assert f'href="/admin/deliveries/{delivery}"' in page
    assert "paused" in page


def test_an_operator_cancels_with_a_reason_and_sends_again(olga: Browser, app: Flask, delivery: int) -> None:
    path = f"/admin/deliveries/{delivery}"
    olga.get(path)
    olga.post(f"{path}/cancel", {"reason": "  "})
    assert state_of(app, delivery)[0] == "pending"
    olga.post(f"{path}/cancel", {"reason": "wrong number"})
    assert state_of(app, delivery) == ("cancelled", "cancelled by olga@example.com: wrong number")
    olga.post(f"{path}/again")
    assert state_of(app, delivery) == ("pending", None)


def test_an_order_paid_by_test_card_is_never_sent_again(olga: Browser, app: Flask, delivery: int) -> None:
    with app.app_context():
        db.session.execute(sa.update(Event).values(test_card=True))
        db.session.commit()
    olga.get("/admin/")
    olga.post(f"/admin/deliveries/{delivery}/again")
    assert "test card" in olga.get(f"/admin/deliveries/{delivery}")
    assert state_of(app, delivery)[1] == CANARY


def test_a_viewer_may_not_act(vera: Browser, app: Flask, delivery: int) -> None:
    vera.get("/admin/")
    for act in ("again", "cancel"):
        assert vera.post(f"/admin/deliveries/{delivery}/{act}", {"reason": "x"}).status_code == 403
    assert state_of(app, delivery)[0] == "pending"


def test_the_history_of_a_customer_links_to_what_was_sent(vera: Browser, delivery: int) -> None:
    page = vera.get("/admin/customers/one?id=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E")
    assert f'href="/admin/deliveries/{delivery}">View</a>' in page


def test_what_failed_and_is_tried_again_is_found_from_home(app: Flask, vera: Browser, delivery: int) -> None:
    assert f"/admin/deliveries/{delivery}" not in vera.get("/admin/deliveries/?state=failing")
    with app.app_context():
        found = db.session.get_one(Delivery, delivery)
        found.failures = 1
        number = found.profile_id
        db.session.commit()
    assert f"profile={number}&amp;state=failing" in vera.get("/admin/")
    page = vera.get(f"/admin/deliveries/?profile={number}&state=failing")
    assert f"/admin/deliveries/{delivery}" in page
    assert "last try failed" in page


def test_a_refusal_is_a_page_with_a_way_back(vera: Browser) -> None:
    assert "There is nothing here" in vera.get("/admin/deliveries/99999999", status=404)
    page = vera.get("/admin/users/", status=403)
    assert "Your role does not allow this" in page
    assert 'href="/admin/"' in page


def test_a_delivery_is_found_by_everything_people_know_of_it(app: Flask, vera: Browser, delivery: int) -> None:
    link = f"/admin/deliveries/{delivery}"
    for found in ("status=503", "since=2026-01-01T00:00", "until=2126-01-01T00:00", "state=pending"):
        assert link in vera.get(f"/admin/deliveries/?{found}"), found
    for other in ("status=404", "status=200", "since=2126-01-01T00:00", "until=2026-01-01T00:00", "order=none"):
        assert link not in vera.get(f"/admin/deliveries/?{other}"), other
    for odd in ("status=abc", "since=yesterday", "until=0001-01-01T00:00-23:00", "order=%00", "status=99999999999999"):
        vera.get(f"/admin/deliveries/?{odd}")
    page = vera.client.get("/admin/deliveries/", query_string={"order": CANARY})
    assert link in page.text


def test_ids_are_found_by_time(app: Flask, delivery: int) -> None:
    with app.app_context():
        made = db.session.get_one(Delivery, delivery).created_at
        assert id_at(db.session(), made) <= delivery
        assert id_at(db.session(), made + timedelta(microseconds=1)) == delivery + 1
        assert id_at(db.session(), made - timedelta(days=1)) <= delivery


class TestReplays:
    """A range is sent again as a job: counted, then started, watched, paused, stopped."""

    def start(self, olga: Browser, name: str) -> str:
        olga.get("/admin/replays/new")
        page = olga.post("/admin/replays/new", {"deed": "send again", "profile": name, "per_second": "1"}).text
        assert "1 delivery matches" in page
        answer = olga.post(
            "/admin/replays/new", {"deed": "send again", "profile": name, "per_second": "1", "seen": "send again 1"}
        )
        assert answer.status_code == 302, answer.text
        return str(answer.location)

    def test_it_is_counted_before_and_watched_after(self, olga: Browser, delivery: int) -> None:
        page = olga.get(self.start(olga, CANARY.replace("/", "")))
        assert "waiting" in page
        assert "at 1 a second" in page
        assert 'data-renew="2"' in page
        assert "0 of 1" in olga.get("/admin/replays/")

    def test_it_is_paused_goes_on_and_is_stopped(self, olga: Browser, delivery: int) -> None:
        path = self.start(olga, CANARY.replace("/", ""))
        olga.get(path)
        for move, said in (("pause", "rests"), ("resume", "goes on"), ("stop", "stopped"), ("pause", "is stopped")):
            olga.post(f"{path}/{move}")
            assert said in olga.get(path), move
        assert 'data-renew=""' in olga.get(path)

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"profile": "nobody's"}, "Not a valid choice"),
            ({"since": "yesterday"}, "Not a valid datetime"),
            ({"per_second": "0"}, "between"),
            ({"per_second": "many"}, "Not a valid float"),
            ({"customer": "\x00"}, "no whole characters"),
            ({"state": "gone"}, "Not a valid choice"),
            ({"deed": "burn"}, "Not a valid choice"),
            ({"deed": "cancel"}, "Say why"),
            ({"deed": "hold", "reason": " "}, "Say why"),
            ({"status": "200"}, "between"),
        ],
    )
    def test_what_cannot_be_is_told_at_its_field(self, olga: Browser, given: dict[str, str], said: str) -> None:
        olga.get("/admin/replays/new")
        assert said in olga.post("/admin/replays/new", {"deed": "send again"} | given).text

    def test_nothing_to_send_is_said(self, olga: Browser, delivery: int) -> None:
        olga.get("/admin/replays/new")
        assert (
            "No delivery matches"
            in olga.post("/admin/replays/new", {"deed": "cancel", "reason": "x", "customer": "nobody"}).text
        )

    def test_the_filters_of_the_list_come_along(self, olga: Browser, delivery: int) -> None:
        page = olga.get("/admin/deliveries/?state=pending&since=2026-01-01T00:00")
        assert "/admin/replays/new?state=pending&amp;since=2026-01-01T00:00" in page
        assert 'value="2026-01-01T00:00"' in olga.get("/admin/replays/new?state=pending&since=2026-01-01T00:00")

    def test_a_viewer_may_look_only(self, vera: Browser, olga: Browser, delivery: int) -> None:
        path = self.start(olga, CANARY.replace("/", ""))
        vera.get(path)
        vera.get("/admin/replays/new", status=403)
        assert vera.post(f"{path}/stop").status_code == 403

    def test_there_is_no_page_for_other_jobs(self, olga: Browser) -> None:
        olga.get("/admin/replays/99999999", status=404)
