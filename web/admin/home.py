"""Home: what needs a person first, then how every profile is doing."""

from __future__ import annotations

import sqlalchemy as sa
from flask_admin import expose

from models.base import db, utc_now
from models.heartbeat import Heartbeat
from models.profile import Profile
from web.admin.attention import concerns
from web.admin.page import PAGE_SIZE, IndexPage
from web.admin.profile_states import listed, states_of, waiting


class Home(IndexPage):
    """The first page."""

    @expose("/")
    def index(self) -> str:
        """Show what is wrong, and the profiles: those that need somebody first."""
        waits = waiting()
        found = concerns(waits)
        troubled = [one.profile_id for one in found if one.profile_id is not None]
        statement = listed().order_by(Profile.id.in_(troubled).desc(), sa.func.lower(Profile.name))
        rows = db.session.execute(statement.limit(PAGE_SIZE + 1)).all()
        return str(
            self.render(
                "admin/home.html",
                concerns=found,
                states=states_of(rows[:PAGE_SIZE], waits),
                has_more=len(rows) > PAGE_SIZE,
                tick=db.session.scalar(sa.select(Heartbeat.at).where(Heartbeat.name == "tick")),
                now=utc_now(),
            )
        )
