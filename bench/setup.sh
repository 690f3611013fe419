#!/bin/sh
# Installs what "make bench" measures beside proxyd from Debian's packages, when it may. Only packages that are missing are
# installed, and only the services of those are stopped and disabled: a server that runs here already is left alone.
set -eu

# The package of a program, and the services that the package starts.
package_of() { case $1 in nginx) echo nginx-light ;; varnishd) echo varnish ;; *) echo "$1" ;; esac; }
services_of() { case $1 in nginx) echo nginx ;; haproxy) echo haproxy ;; varnishd) echo varnish varnishncsa ;; esac; }

PATH=$PATH:/usr/sbin:/sbin # where Debian has the servers
missing= packages=
for program in nginx haproxy varnishd wrk; do
	if ! command -v "$program" >/dev/null; then
		missing="$missing $program"
		packages="$packages $(package_of "$program")"
	fi
done
if [ -z "$missing" ]; then
	echo "bench-setup: nginx, haproxy, varnishd and wrk are there"
	exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "bench-setup: missing:$missing: as root on Debian: apt-get update && apt-get install --no-install-recommends$packages" >&2
	exit 1
fi

apt-get update -q
# shellcheck disable=SC2086 # a list
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages

for program in $missing; do
	for service in $(services_of "$program"); do
		if [ -d /run/systemd/system ]; then
			systemctl disable --now --quiet "$service" 2>/dev/null || true # a unit may be missing, or never have been enabled
		elif [ -x "/etc/init.d/$service" ]; then
			"/etc/init.d/$service" stop >/dev/null 2>&1 || true # by its own pidfile; it complains where nothing was started
			update-rc.d "$service" disable >/dev/null 2>&1 || true
		fi
	done
done
