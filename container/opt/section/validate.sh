#!/bin/sh
exec /usr/local/bin/validator "$@"
