"""The record: who did what, when. For admins."""

from __future__ import annotations

import sqlalchemy as sa
from flask_admin import expose

from models.account import Role
from models.audit import Act, AuditLine, differences
from models.base import db
from web.admin import asked
from web.admin.page import PAGE_SIZE, Page


class Audit(Page):
    """The list of all acts, newest first, and what each changed."""

    role = Role.ADMIN

    @expose("/")
    def index(self) -> str:
        """List acts, of one person or on one thing if asked."""
        who, what, act = asked.text("who"), asked.text("what"), asked.one_of("act", list(Act))
        query = sa.select(AuditLine).order_by(AuditLine.id.desc()).limit(PAGE_SIZE + 1)
        if who:
            query = query.where(AuditLine.actor == who)
        if what:
            query = query.where(AuditLine.target == what)
        if act:
            query = query.where(AuditLine.act == act)
        if (before := asked.number("before")) is not None:
            query = query.where(AuditLine.id < before)
        lines = db.session.scalars(query).all()
        shown = lines[:PAGE_SIZE]
        return str(
            self.render(
                "admin/audit.html",
                lines=[(line, differences(line.before or {}, line.after or {})) for line in shown],
                older=shown[-1].id if len(lines) > PAGE_SIZE else None,
                asked={"who": who, "what": what, "act": act},
                acts=list(Act),
            )
        )
