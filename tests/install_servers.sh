#!/bin/sh
# The tests of uploads talk to vsftpd, ProFTPD and OpenSSH, one talks to Postgres through PgBouncer. Those that are missing are fetched as Debian packages and unpacked into
# the virtual environment: nothing is installed, nothing runs by itself, and the two FTP servers do not drive each other
# out. Where that is not possible the tests are skipped, which pytest says with its reason; in CI they fail.
set -u
into="${1:-.venv/file-servers}"

fetch() { # program, packages
	program=$1
	shift
	[ -x "$into/usr/sbin/$program" ] || [ -x "/usr/sbin/$program" ] && return 0
	command -v apt-get >/dev/null 2>&1 && command -v dpkg >/dev/null 2>&1 || return 1
	[ "$(id -u)" != 0 ] || [ -n "$updated" ] || apt-get update -qq >/dev/null 2>&1
	updated=yes
	debs="$into/debs-$program"
	mkdir -p "$debs/partial"
	# --download-only with an own archive folder: their libraries come, too, as far as this machine lacks them
	apt-get install -y -qq --no-install-recommends --download-only -o Debug::NoLocking=1 -o APT::Sandbox::User= \
		-o "Dir::Cache::archives=$(cd "$debs" && pwd)" "$@" >/dev/null 2>&1
	for deb in "$debs"/*.deb; do
		[ -f "$deb" ] && dpkg -x "$deb" "$into"
	done
	rm -rf "$debs"
	[ -x "$into/usr/sbin/$program" ]
}

updated=""
missing=""
fetch vsftpd vsftpd || missing="$missing vsftpd"
fetch proftpd proftpd-core proftpd-mod-crypto || missing="$missing ProFTPD"
fetch sshd openssh-server || missing="$missing OpenSSH"
fetch pgbouncer pgbouncer || missing="$missing PgBouncer"
[ -z "$missing" ] || echo "not to be had here:$missing; their tests will be skipped" >&2
exit 0
