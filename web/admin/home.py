"""Home: how every profile is doing, and the way to every list."""

from __future__ import annotations

from flask_admin import expose

from web.admin.page import IndexPage


class Home(IndexPage):
    """The first page."""

    @expose("/")
    def index(self) -> str:
        """Show what waits, what went out, and what needs a person."""
        return str(self.render("admin/home.html"))
