"""What gunicorn and the flask command load."""

import sys

from config import Config, ConfigError
from web import create_app

try:
    _config = Config.from_env()
except ConfigError as error:
    sys.exit(str(error))

app = create_app(_config)
