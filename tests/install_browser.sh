#!/bin/sh
# The report's tests click in a real browser. Where none is found and Debian's packages can be
# installed, they are; elsewhere those tests skip and say so.
set -u
found() { command -v chromedriver >/dev/null 2>&1 && { command -v chromium || command -v google-chrome; } >/dev/null 2>&1; }
found && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing chromium for the report's browser tests"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver; } \
    >/dev/null 2>&1
fi
found || echo "no chromium and chromedriver found: the browser tests will be skipped" >&2
exit 0
