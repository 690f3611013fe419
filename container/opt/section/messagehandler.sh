#!/bin/sh
exec /usr/local/bin/msghandler "$@"
