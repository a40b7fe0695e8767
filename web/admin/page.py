"""What all pages have in common: who may come in, and how a page is cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

from flask import Blueprint, abort
from flask.typing import ResponseReturnValue
from flask_admin import AdminIndexView, BaseView
from werkzeug.exceptions import HTTPException

from models.account import Role
from web.guard import may

PAGE_SIZE = 50

SENTENCES = {
    400: "This page was open for too long, or something in it cannot be read. Go back, load it again and repeat what you did.",
    403: "Your role does not allow this. An admin can change it under People.",
    405: "This address is for a button of another page. Go back, and press it there.",
    404: "There is nothing here. What was here may have been deleted.",
}


class Guarded:
    """A view that asks for a role; 403 for whoever has less."""

    role: ClassVar[Role] = Role.VIEWER

    def is_accessible(self) -> bool:
        """Say whether the person of this request may see the page."""
        return may(self.role)

    def inaccessible_callback(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Strangers never come this far: the guard has sent them to the login."""
        abort(403)

    def create_blueprint(self, admin: Any) -> Blueprint:
        """Show refusals as a page with a way back."""
        blueprint: Blueprint = super().create_blueprint(admin)  # type: ignore[misc]  # Flask-Admin's view has it
        blueprint.register_error_handler(HTTPException, self.refused)
        return blueprint

    def refused(self, error: HTTPException) -> ResponseReturnValue:
        """Write the page of a refusal."""
        if error.code is None or error.code < 400:  # a redirect
            return error
        sentence = SENTENCES.get(error.code, error.description or "")
        page = self.render("admin/error.html", page_name=error.name, sentence=sentence)  # type: ignore[attr-defined]  # as above
        return str(page), error.code

    def _run_view(self, view: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the view once. Flask-Admin would call it again after any TypeError, and hide what went wrong."""
        return view(self, *args, **kwargs)


class Page(Guarded, BaseView):
    """A page of its own."""


class IndexPage(Guarded, AdminIndexView):
    """The page at /admin/."""
