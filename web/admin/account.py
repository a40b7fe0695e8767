"""One's own account: password, second factor, and the browsers that are signed in. For everybody."""

from __future__ import annotations

import sqlalchemy as sa
from flask import flash, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_security import current_user
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # the stubs lag behind 3.3

from models.account import User
from models.base import db, utc_now
from models.sign_in import SignIn, digest
from web import audit, installed, second_factor, zone
from web.admin.page import Page
from web.admin.users import target
from web.audit import Act
from web.forms.accounts import ChangePasswordForm, CodeForm, ZoneForm
from web.guard import sign_in_again
from web.login import Refused, set_password, verify
from web.profiles.head import time_zones

UNPROVED = "unproved_totp"
"""Where the session keeps a secret that no code has proved yet, sealed."""


class Account(Page):
    """What a person may change of the own account, whatever the role."""

    def is_visible(self) -> bool:
        """The name in the corner leads here."""
        return False

    @expose("/")
    def index(self) -> str:
        """Show the account."""
        return self._page(ChangePasswordForm())

    @expose("/password", methods=("POST",))
    def password(self) -> ResponseReturnValue:
        """Change the password; all other browsers are signed out."""
        form, user = ChangePasswordForm(), _me()
        if not form.validate_on_submit():
            return self._page(form)
        if not verify(user, form.old.data or ""):
            form.old.errors = ["This is not your present password."]
            return self._page(form)
        try:
            set_password(user, form.password.data or "")
        except Refused as refusal:
            form.password.errors = [str(refusal)]
            return self._page(form)
        _end_others(user)
        audit.note(Act.CHANGED, target(user), actor=user.email, text="changed the password")
        sign_in_again(user)
        db.session.commit()
        flash("The password is changed. All other browsers are signed out.", "success")
        return redirect(url_for(".index"))

    @expose("/time-zone", methods=("POST",))
    def time_zone(self) -> ResponseReturnValue:
        """Choose the zone of all times on the pages."""
        form, user = _zone_form(), _me()
        if not form.validate_on_submit():
            flash("Choose a time zone of the list.", "error")
            return redirect(url_for(".index"))
        before, after = user.time_zone, form.time_zone.data or None
        user.time_zone = after
        audit.note(Act.CHANGED, target(user), actor=user.email, before={"timeZone": before}, after={"timeZone": after})
        db.session.commit()
        flash(f"Times are in {after or zone.account().key} from now on.", "success")
        return redirect(url_for(".index"))

    @expose("/second-factor", methods=("GET", "POST"))
    def second_factor(self) -> ResponseReturnValue:
        """Set up an authenticator app: show a secret, and keep it once a code proves that the app has it."""
        user, form, seal = _me(), CodeForm(), installed.seal()
        if not form.is_submitted() or UNPROVED not in session:
            session[UNPROVED] = seal.close(second_factor.new_secret(), *second_factor.place(user.id))
        secret = seal.open(session[UNPROVED], *second_factor.place(user.id))
        if form.validate_on_submit():
            if second_factor.switch_on(db.session(), user, secret, form.code.data or "", seal=seal, now=utc_now()):
                session.pop(UNPROVED)
                audit.note(Act.CHANGED, target(user), actor=user.email, text="set up a second factor")
                db.session.commit()
                flash("From now on signing in asks for a code of your app.", "success")
                return redirect(url_for(".index"))
            form.code.errors = ["This is not the code the app should show. Is its clock right?"]
        address = second_factor.address(user, secret)
        picture = second_factor.picture(address)
        shown = " ".join(secret[place : place + 4] for place in range(0, len(secret), 4))
        return str(
            self.render("admin/second_factor.html", page_name="Second factor", form=form, picture=picture, secret=shown)
        )

    @expose("/second-factor/off", methods=("POST",))
    def without(self) -> ResponseReturnValue:
        """Go without a second factor; a code says that it is really this person."""
        user, form = _me(), CodeForm()
        code = form.code.data or ""
        if form.validate_on_submit() and second_factor.accepts(
            db.session(), user, code, seal=installed.seal(), now=utc_now()
        ):
            second_factor.switch_off(user)
            audit.note(Act.CHANGED, target(user), actor=user.email, text="switched the second factor off")
            db.session.commit()
            flash("The second factor is off.", "success")
        else:
            flash("The code is wrong, or was used before: wait for the next one.", "error")
        return redirect(url_for(".index"))

    @expose("/sign-out-others", methods=("POST",))
    def sign_out_others(self) -> ResponseReturnValue:
        """End every other browser's sign-in."""
        ended = _end_others(_me())
        db.session.commit()
        flash(f"{ended} other {'browser is' if ended == 1 else 'browsers are'} signed out.", "success")
        return redirect(url_for(".index"))

    def _page(self, form: ChangePasswordForm) -> str:
        user = _me()
        browsers = db.session.scalars(
            sa.select(SignIn).where(SignIn.user_id == user.id).order_by(SignIn.seen_at.desc())
        ).all()
        return str(
            self.render(
                "admin/account.html",
                page_name="My account",
                form=form,
                code=CodeForm(formdata=None),
                zones=_zone_form(user.time_zone),
                user=user,
                browsers=browsers,
                this=_this_browser(),
            )
        )


def _zone_form(chosen: str | None = None) -> ZoneForm:
    """Offer the account's zone first, and then all by name."""
    form = ZoneForm(formdata=None, data={"time_zone": chosen or ""}) if request.method == "GET" else ZoneForm()
    form.time_zone.choices = [
        SelectChoice("", f"The account's: {zone.account().key}"),
        *(SelectChoice(name, name.replace("_", " ")) for name in sorted(time_zones())),
    ]
    return form


def _me() -> User:
    return db.session.get_one(User, current_user.id)


def _this_browser() -> bytes:
    return digest(str(session.get("sign_in", "")))


def _end_others(user: User) -> int:
    ended = db.session.execute(
        sa.delete(SignIn).where(SignIn.user_id == user.id, SignIn.digest != _this_browser()).returning(SignIn.digest)
    )
    return len(ended.all())
