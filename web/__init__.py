"""What people and producers see. `create_app` puts it together."""

from __future__ import annotations

from flask import Flask
from flask_migrate import Migrate

from config import Config
from models import tables
from models.base import db, engine_options
from models.rules.bodies import MOST_BODY_BYTES
from web.admin import init_admin
from web.api import init_api
from web.cli import init_cli
from web.front import init_front
from web.guard import init_guard
from web.headers import init_headers
from web.health import init_health
from web.installed import init_installed
from web.login import init_login
from web.welcome import init_welcome

migrate = Migrate()


def create_app(config: Config) -> Flask:
    """Make the web application: database, login, API, admin pages, health, command line."""
    app = Flask(__name__)
    app.config.update(
        SQLALCHEMY_DATABASE_URI=config.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(pool_size=8, pooled=config.database_pooled),
        SECRET_KEY=config.secret_key,
        MAX_CONTENT_LENGTH=MOST_BODY_BYTES,
    )
    init_installed(app, config)
    db.init_app(app)
    migrate.init_app(app, db, directory="migrations", compare_type=True)
    init_front(app, config)
    init_headers(app)
    init_login(app)
    init_guard(app)
    init_welcome(app)
    init_admin(app)
    init_api(app)
    init_health(app)
    init_cli(app)
    assert tables.ALL  # noqa: S101 -- the import is what counts
    return app
