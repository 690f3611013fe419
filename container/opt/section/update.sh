#!/bin/sh
exec /usr/local/bin/deploy "$@"
