"""What all pages have in common: who may come in, and how a page is cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

from flask import abort
from flask_admin import AdminIndexView, BaseView

from models.account import Role
from web.guard import may

PAGE_SIZE = 50


class Guarded:
    """A view that asks for a role; 403 for whoever has less."""

    role: ClassVar[Role] = Role.VIEWER

    def is_accessible(self) -> bool:
        """Say whether the person of this request may see the page."""
        return may(self.role)

    def inaccessible_callback(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Strangers never come this far: the guard has sent them to the login."""
        abort(403)

    def _run_view(self, view: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the view once. Flask-Admin would call it again after any TypeError, and hide what went wrong."""
        return view(self, *args, **kwargs)


class Page(Guarded, BaseView):
    """A page of its own."""


class IndexPage(Guarded, AdminIndexView):
    """The page at /admin/."""
