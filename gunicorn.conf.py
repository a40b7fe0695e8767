"""How the web process serves; gunicorn reads this file by its name."""

import pathlib
import sys

from config import Config, ConfigError

try:
    _settings = Config.from_env()
except ConfigError as error:
    sys.exit(str(error))

bind = f"0.0.0.0:{_settings.port}"  # a host's router must reach it; `make run` binds to the loopback address instead
workers = _settings.web_concurrency
worker_class = "gthread"
threads = 8
timeout = 60
graceful_timeout = 20  # hosts kill 30 s after SIGTERM
keepalive = 75  # longer than a router keeps an idle connection, so that it is never us who closes first
worker_tmp_dir = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn's heartbeat file; never a slow disk
accesslog = None  # the application logs what matters; a URL may hold what no log should
errorlog = "-"
preload_app = False  # forks would share database connections
control_socket_disable = True  # its path is one per user, several instances would fight for it
forwarded_allow_ips = ""  # PROXY_HOPS alone says whom X-Forwarded-Proto is believed from
