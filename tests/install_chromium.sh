#!/bin/sh
# The browser tests drive Chromium. Where it is missing and the system lets us, it is installed; else they are skipped,
# which pytest says with its reason.
for name in chromium chromium-browser google-chrome; do
	command -v "$name" >/dev/null 2>&1 && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "installing Chromium for the browser tests"
	apt-get update -qq >/dev/null 2>&1
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null 2>&1 && exit 0
fi
echo "no Chromium: the browser tests will be skipped" >&2
exit 0
