#!/usr/bin/env bash
# Runs every test of the workspace, installing first what the tests need. Arguments go to `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."

# A command the tests run, and the Debian package that has it.
needed=(
    nginx:nginx-light curl:curl openssl:openssl
    ip:iproute2 nft:nftables sysctl:procps
    dpkg-scanpackages:dpkg-dev apt-ftparchive:apt-utils
    nc:netcat-openbsd telnet:inetutils-telnet gzip:gzip
    python3:python3 chromium:chromium make:make zstd:zstd unzip:unzip
    cc:gcc ld:binutils node:nodejs npm:npm
    c-icap:c-icap clamd:clamav-daemon
    squid:squid traffic_server:trafficserver varnishd:varnish
)
missing=()
for entry in "${needed[@]}"; do
    command -v "${entry%%:*}" >/dev/null || [ -x "/usr/sbin/${entry%%:*}" ] || missing+=("${entry##*:}")
done
python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
[ -e /usr/include/stdio.h ] || missing+=(libc6-dev)
[ -d /usr/share/doc/apache2-doc/manual ] || missing+=(apache2-doc)
ls /usr/lib/*/c_icap/srv_url_check.so >/dev/null 2>&1 || missing+=(libc-icap-mod-urlcheck)
ls /usr/lib/*/c_icap/virus_scan.so >/dev/null 2>&1 || missing+=(libc-icap-mod-virus-scan)

if [ "${#missing[@]}" -gt 0 ]; then
    if [ "$(id -u)" -ne 0 ]; then
        echo "missing: ${missing[*]}; run: sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    # nginx is started by the tests on ports of their own; the package must not start one on port 80 that may be taken.
    policy=
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        policy=/usr/sbin/policy-rc.d
        trap '[ -z "$policy" ] || rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    apt-get update -q
    apt-get install -yq --no-install-recommends "${missing[@]}"
    [ -z "$policy" ] || rm -f "$policy"
    policy=
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "the tests of transparent mode make network namespaces: run this as root, or with sudo -E env PATH=\$PATH $0" >&2
    exit 1
fi
export PATH="$PATH:/usr/sbin:/sbin"

if [ ! -e Cargo.lock ] && [ -e .cargo/Cargo.lock ]; then
    cp .cargo/Cargo.lock Cargo.lock
fi

# Some 160 test programs: with line tables of their own and incremental files they fill 25 GB of disk.
export CARGO_INCREMENTAL=${CARGO_INCREMENTAL:-0}
export CARGO_PROFILE_DEV_DEBUG=${CARGO_PROFILE_DEV_DEBUG:-0} CARGO_PROFILE_TEST_DEBUG=${CARGO_PROFILE_TEST_DEBUG:-0}

cargo build -p understudy
# One failure is not to hide those behind it.
cargo test --workspace --no-fail-fast "$@"
