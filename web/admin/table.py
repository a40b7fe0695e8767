"""Plain lists drawn by Flask-Admin, with what its model views need on psycopg 3 and against hostile query strings."""

from __future__ import annotations

from typing import Any

from flask_admin.contrib.sqla import ModelView
from flask_wtf import FlaskForm

from models.base import db
from web.admin.page import PAGE_SIZE, Guarded

LAST_PAGE = 10_000


class Table(Guarded, ModelView):
    """A list to read, search and sort. Never counts its rows, changes nothing, exports nothing."""

    can_create = can_edit = can_delete = can_export = can_view_details = False
    can_set_page_size = False
    page_size = PAGE_SIZE
    simple_list_pager = True
    list_template = "admin/table.html"
    form_base_class = FlaskForm
    column_display_actions = False
    column_display_pk = True
    action_disallowed_list = ["delete"]

    def __init__(self, model: type[Any], **options: Any) -> None:
        super().__init__(model, db, **options)

    def _get_list_extra_args(self) -> Any:
        """Bring a negative or huge page, and NUL in a search, to what Postgres takes."""
        asked = super()._get_list_extra_args()
        asked.page = min(max(asked.page or 0, 0), LAST_PAGE)
        asked.search = (asked.search or "").replace("\x00", "")[:300]
        return asked
