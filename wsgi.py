"""What gunicorn and the flask command load."""

from config import Config
from web import create_app

app = create_app(Config.from_env())
