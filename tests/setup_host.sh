#!/usr/bin/env bash
# What the tests need from the machine itself, beside .venv: two browsers, a second store, fonts for
# 中文, namespaces. Root on Debian or Ubuntu: installs what is missing. Others: says what is.
set -euo pipefail

declare -A package_of=(
    [chromium]=chromium         # browser tests
    [firefox-esr]=firefox-esr   # the browser of another make
    [redis-server]=redis-server # the store of another make
    [ip]=iproute2               # network tests
    [janus]=janus               # the peer that load tests compare media with
    [turnserver]=coturn         # the relay that network and browser tests go through
    [nginx]=nginx               # the peer that load tests compare messages with: with Nchan, below
)
missing=()
for program in "${!package_of[@]}"; do
    # Not every PATH has /usr/sbin, where Debian keeps some of them.
    if ! PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null; then
        missing+=("${package_of[$program]}")
    fi
done
if [ ! -e /usr/lib/nginx/modules/ngx_nchan_module.so ]; then
    missing+=(libnginx-mod-nchan)
fi
# Without it, screenshots show 中文 as boxes.
if ! { ls /usr/share/fonts/opentype/noto/NotoSansCJK* || fc-list :lang=zh | grep -q .; } \
    >/dev/null 2>&1; then
    missing+=(fonts-noto-cjk)
fi
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

echo "tests: this machine lacks: ${missing[*]}" >&2
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "tests: install them as root (Debian, Ubuntu), then run the tests again:" >&2
    echo "           apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "tests: installing them ..." >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
leftovers=("$log")
trap 'rm -f "${leftovers[@]}"' EXIT
# A service that starts by itself would hold the default port; tests start their own. systemd asks
# the policy, older systems the runlevel.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    leftovers+=("$policy")
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
if ! { apt-get update -q && RUNLEVEL=1 apt-get install -y -q --no-install-recommends "${missing[@]}"; } \
    >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "tests: apt-get could not install ${missing[*]}; the lines above say why" >&2
    exit 1
fi
