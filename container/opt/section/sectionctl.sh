#!/bin/sh
exec /usr/local/bin/sectionctl "$@"
