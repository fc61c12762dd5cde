#!/bin/sh
# Squid in front of an origin, with c-icap's echo service on requests and answers: squid_icap.sh PORT HOST:PORT
# Both run as children of this shell, in a folder of their own, and end with it.
set -eu
port=$1 host=${2%:*} oport=${2#*:}
dir=$(mktemp -d)
chmod 777 "$dir"
icap=$((port + 1))
modules=$(dirname "$(find /usr/lib -name srv_echo.so | head -1)")
cat >"$dir/c-icap.conf" <<C
PidFile $dir/c-icap.pid
CommandsSocket $dir/c-icap.ctl
Port 127.0.0.1:$icap
StartServers 1
MaxServers 1
MinSpareThreads 10
MaxSpareThreads 64
ThreadsPerChild 64
MaxKeepAliveRequests -1
KeepAliveTimeout 600
ModulesDir $modules
ServicesDir $modules
TmpDir $dir
ServerLog $dir/c-icap.log
AccessLog /dev/null
Service echo srv_echo.so
C
cat >"$dir/squid.conf" <<C
http_port 127.0.0.1:$port accel defaultsite=localhost no-vhost
cache_peer $host parent $oport 0 no-query no-digest originserver default name=a
http_access allow all
shutdown_lifetime 1 second
pid_filename $dir/pid
access_log none
cache_log $dir/cache.log
cache_mem 512 MB
coredump_dir $dir
pinger_enable off
icap_enable on
icap_persistent_connections on
icap_preview_enable off
icap_service out respmod_precache icap://127.0.0.1:$icap/echo bypass=off
adaptation_access out allow all
C
c-icap -N -f "$dir/c-icap.conf" &
c=$!
squid -N -f "$dir/squid.conf" &
s=$!
trap 'kill $c $s 2>/dev/null; wait; rm -rf "$dir"; exit 0' TERM INT EXIT
wait $s
