#!/bin/sh
# Brings the agent into the volume at $1. Run by the init container, and once more harmlessly.
#
# A file of --require that is missing ends an app before its first line. So that file comes first, and does nothing but say so where
# the rest is missing: whatever goes wrong from there on, the app starts, without lanes.
set -u
from=$(dirname "$0")
to=$1
cp "$from/register.cjs" "$to/register.cjs" || exit 1
cp "$from/drain.cjs" "$to/drain.cjs" || echo 'lane: drain.cjs could not be copied' >&2
cp -R "$from/node_modules" "$to/" || echo 'lane: the agent could not be copied, the app runs without lanes' >&2
exit 0
