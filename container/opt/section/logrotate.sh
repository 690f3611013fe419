#!/bin/sh
exec /usr/local/bin/logrotator "$@"
