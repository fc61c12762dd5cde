#!/usr/bin/env python3
"""The six modules on work that fits them: the proxy (and its children) on core 0; load, origin and c-icap on core 1.

    six.py PROGRAM [--seconds 3] [--rounds 1] [--conns 32] [--only compressor,icap-client] [--runtimes inline,threads,process]

PROGRAM is a release build. Prints for each module and runtime processor time per request of proxy, pool and children together, the
difference to no module in the same round, and requests and MB of plain content a second with that module alone. Beside them nginx with
gzip at the same level, and Squid with the same c-icap echo service (its time is that of Squid alone); for ICAP also the median time to an
answer to one client that pauses between requests. Needs wrk, nginx, squid, c-icap, and Pillow for the transcoder.
A whole run takes six minutes or so; with --seconds 1 it shows that everything works.
"""
import argparse, contextlib, io, os, socket, statistics, subprocess, sys, tempfile, time
from bench import wrk
from icap import CIcap
from peers import Origin, Peer, free_port

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(f'{HERE}/../demo')
RUNTIMES = ('inline', 'threads', 'process')
LEVEL = 6

WORDS = ('the harbour office has printed a timetable of boats that leave every forty minutes until ten in evening and on market days an hour '
         'longer for library umbrellas bench river bridge church clock baker').split()


def page(kb=20):
    """A page of HTML: its text is no cycle, or compressors would find that."""
    state, out, size = 1, ['<!DOCTYPE html><html><head><title>page</title><meta charset="utf-8"></head><body>\n'], 0
    while size < kb * 1024:
        line = []
        for _ in range(12):
            state = (state * 1103515245 + 12345) % (1 << 31)
            line.append(WORDS[(state >> 12) % len(WORDS)])
        out.append(f'<p class="story n{state % 97}">{" ".join(line)} {state % 9973}.</p>\n')
        size += len(out[-1])
    return ''.join(out) + '</body></html>\n'


def photo():
    try:
        from gazette import photo as made
    except ImportError:
        return None
    out = io.BytesIO()
    made((320, 200), (-1.4, -0.35, 0.1, 0.35), ('#14213d', '#ffd6a5', '#2a78c2')).save(out, 'JPEG', quality=85)
    return out.getvalue()


class Contents(Origin):
    """The origin of the other benchmarks, with a page, a photograph and something that takes POST."""

    def command(self):
        with open(f'{self.dir}/www/page.html', 'w') as f:
            f.write(page())
        made = photo()
        if made:
            with open(f'{self.dir}/www/photo.jpg', 'wb') as f:
                f.write(made)
        command = super().command()
        path = command[-1]
        text = open(path).read()
        text = text.replace('http {', 'http { types { text/html html; image/jpeg jpg; application/octet-stream bin; } ', 1)
        text = text.replace('location /u/', 'location /post/ { add_header Cache-Control "no-store"; return 200 "taken\\n"; }\n  location /u/', 1)
        open(path, 'w').write(text)
        return command


def steady(address, path, seconds, fields='', method='GET', body=0):
    """Median time to a whole answer, in microseconds, of requests one after the other with pauses: who waits here takes no core from
    the servers."""
    host, port = address.split(':')
    took, n, until = [], 0, time.monotonic() + seconds
    with socket.create_connection((host, int(port)), 20) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while time.monotonic() < until or not took:
            time.sleep(0.002)
            n += 1
            began = time.perf_counter_ns()
            length = f'Content-Length: {body}\r\n' if body else ''
            s.sendall(f'{method} {path(n)} HTTP/1.1\r\nHost: h.test\r\n{length}{fields}\r\n'.encode() + b'x' * body)
            got = b''
            while not whole(got):
                piece = s.recv(1 << 16)
                if not piece:
                    raise RuntimeError('the connection was closed')
                got += piece
            took.append((time.perf_counter_ns() - began) / 1000)
    return statistics.median(took)


def whole(got):
    head, end, body = got.partition(b'\r\n\r\n')
    head = head.lower()
    if not end:
        return False
    if b'transfer-encoding: chunked' in head:
        return body.endswith(b'0\r\n\r\n')
    return len(body) >= int(head.split(b'content-length:')[1].split(b'\r\n')[0])


class Work:
    """Requests that wrk sends."""

    def __init__(self, path, plain, method='GET', headers=(), body=0, unique=False):
        self.path, self.plain, self.method, self.headers, self.body, self.unique = path, plain, method, dict(headers), body, unique

    def script(self):
        headers = ', '.join(f'["{k}"]="{v}"' for k, v in self.headers.items())
        body = f'string.rep("x", {self.body})' if self.body else 'nil'
        at = f'"/nc/{time.time_ns()}-"..n.."{self.path}"' if self.unique else f'"{self.path}"'
        return f'local n=0\nlocal h={{{headers}}}\nlocal b={body}\nrequest=function() n=n+1 return wrk.format("{self.method}",{at},h,b) end\n'


def measure(peer, work, a):
    with tempfile.NamedTemporaryFile('w', suffix='.lua') as f:
        f.write(work.script())
        f.flush()
        wrk(peer, '/', 1, a.conns, f.name)
        before = peer.cpu_seconds()
        r = wrk(peer, '/', a.seconds, a.conns, f.name)
        us = (peer.cpu_seconds() - before) / max(r['n'], 1) * 1e6
    if not r['n']:
        return dict(us=float('nan'), rps=0.0, note='  nothing was answered in time')
    note = '' if r['bad'] == '0' and not r['errors'] else f'  bad {r["bad"]} {r["errors"]}'
    return dict(us=us, rps=r['rps'], note=note)


class Bench:
    def __init__(self, a, folder, origin):
        self.a, self.folder, self.origin = a, folder, origin
        self.rows = {}

    def ours(self, name, module='', runtime='', options='', keys=''):
        path = f'{self.folder}/{name.replace(" ", "-").replace("/", "-")}.toml'
        text = f'[[module]]\nname = "{module}"\nlibrary = "builtin:{module}"\nruntime = "{runtime}"\n{keys}\n[module.options]\n{options}\n'
        if runtime == 'process' or runtime == 'threads':
            text = text.replace('[module.options]', 'threads = 1\n[module.options]')
        with open(path, 'w') as f:
            f.write(text if module else '')
        return f'{name}={self.a.program} run --config {path} --listen 127.0.0.1:{{port}} --to http://{{origin}} --workers 1 --admin off --access-log off'

    def one(self, title, spec, work, pace=None):
        """Measures a program under a title, and remembers it."""
        try:
            with Peer(spec, self.origin.address) as peer:
                row = measure(peer, work, self.a)
                if pace:
                    fields = ''.join(f'{name}: {value}\r\n' for name, value in (work.headers or {}).items())
                    row['p50'] = steady(peer.address, pace, min(2, self.a.seconds), fields, work.method, work.body)
        except (RuntimeError, OSError, IndexError, ValueError) as e:
            print(f'{title}: {spec.split("=")[0]}: {e}', file=sys.stderr)
            return
        self.rows.setdefault(title, {}).setdefault(spec.split('=')[0], []).append((row, work))

    def table(self, title, base='none', against=None):
        rows = self.rows.get(title)
        if not rows:
            return
        print(f'\n--- {title}')
        med = lambda name, key: statistics.median(r[key] for r, _ in rows[name] if key in r)
        for name, runs in rows.items():
            us, rps = med(name, 'us'), med(name, 'rps')
            ref = against.get(name, base) if against else base
            line = f'{name:24s} {us:9.1f} us/request'
            line += f' {us - med(ref, "us"):+9.1f} us' if ref in rows and ref != name else ' ' * 13
            line += f' {rps:9.0f} req/s {rps * runs[0][1].plain / 1e6:8.1f} MB/s'
            if 'p50' in runs[0][0]:
                line += f'   p50 {med(name, "p50"):7.0f} us'
                if ref in rows and ref != name and 'p50' in rows[ref][0][0]:
                    line += f' {med(name, "p50") - med(ref, "p50"):+7.0f} us'
            print(line + ''.join({r['note'] for r, _ in runs}), flush=True)


def has(program, module):
    told = subprocess.run([program, 'modules', 'check', f'builtin:{module}'], capture_output=True, text=True)
    if told.returncode:
        return None
    return 'blocking' not in next((l for l in told.stdout.splitlines() if l.startswith('flags:')), '')


def runtimes(b, module):
    """The runtimes that a module allows."""
    inline = has(b.a.program, module)
    if inline is None:
        print(f'there is no {module} in this program', file=sys.stderr)
        return []
    return [r for r in b.a.runtimes.split(',') if (inline and module != 'transcoder') or r != 'inline']


GZIP = {'Accept-Encoding': 'gzip'}
PAGE = 20 * 1024


def compressor(b):
    options = f'codings = ["gzip"]\nlevel.gzip = {LEVEL}\nbudget = 1000\nstreams = 1024'
    for title, unique in (('compressor: a page of 20 KiB passed, gzip', True), ('compressor: the same from the cache', False)):
        work = Work('/page.html', PAGE, headers=GZIP, unique=unique)
        mark = time.time_ns()
        pace = (lambda n: f'/nc/{mark}-{n}/page.html') if unique else None
        b.one(title, b.ours('none'), work, pace)
        for runtime in runtimes(b, 'compressor'):
            b.one(title, b.ours(runtime, 'compressor', runtime, options), work, pace)
        for on in ('off', 'on'):
            b.one(title, nginx(b, on, unique), work, pace)
        b.table(title, against={'nginx gzip on': 'nginx gzip off'})


def nginx(b, gzip, unique):
    """nginx as a proxy (a cache where hits are measured: it compresses each anew, as it stores what it got)."""
    path = f'{b.folder}/nginx-{gzip}-{unique}.sh'
    cache = '' if unique else 'proxy_cache z; proxy_cache_valid 200 1h;'
    with open(path, 'w') as f:
        f.write(f'''#!/bin/sh
set -eu
d=$(mktemp -d); chmod 777 $d
cat >$d/conf <<C
daemon off; worker_processes 1; pid $d/pid; error_log $d/err;
events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path $d/b; proxy_temp_path $d/p;
proxy_cache_path $d/c levels=1:2 keys_zone=z:64m max_size=4000m inactive=600m use_temp_path=off;
gzip {gzip}; gzip_comp_level {LEVEL}; gzip_proxied any; gzip_min_length 256; gzip_types *; gzip_http_version 1.0;
upstream o {{ server $2; keepalive 256; }}
server {{ listen 127.0.0.1:$1 backlog=4096; location / {{
  proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Accept-Encoding ""; {cache} }} }} }}
C
exec nginx -c $d/conf
''')
    return f'nginx gzip {gzip}=sh {path} {{port}} {{origin}}'


def injector(b):
    title = 'text-injector: a page of 20 KiB passed, a text before the end of head'
    work = Work('/page.html', PAGE, unique=True)
    b.one(title, b.ours('none'), work)
    helper = f'helper = ["{sys.executable}", "{HERE}/../demo/greet.py"]\nask = "{{client}}"'
    for runtime in runtimes(b, 'text-injector'):
        b.one(title, b.ours(f'{runtime}', 'text-injector', runtime, 'text = "<meta name=x content=y>"'), work)
        b.one(title, b.ours(f'{runtime} with a helper', 'text-injector', runtime, helper), work)
    b.table(title)


def ads(b):
    path = f'{b.folder}/list.txt'
    shipped = f'{HERE}/../../config/ads.txt'
    with open(path, 'w') as f:
        f.write(open(shipped).read() if os.path.exists(shipped) else '[Adblock Plus 2.0]\n')
        f.write('\n/f100k.bin\n')
    for title, work in (('ad-remover: 10 KiB hits that match nothing', Work('/f10k.bin', 10240)),
                        ('ad-remover: advertisements of 100 KiB, from the cache, and their blanks', Work('/f100k.bin', 102400))):
        b.one(title, b.ours('none'), work)
        for runtime in runtimes(b, 'ad-remover'):
            b.one(title, b.ours(runtime, 'ad-remover', runtime, f'lists = ["{path}"]'), work)
        b.table(title)


def transcoder(b):
    if not photo():
        return print('no Pillow, no images', file=sys.stderr)
    title = 'transcoder: a JPEG of 320x200 passed, to gray'
    work = Work('/photo.jpg', len(photo()), unique=True)
    b.one(title, b.ours('none'), work)
    for runtime in runtimes(b, 'transcoder'):
        b.one(title, b.ours(runtime, 'transcoder', runtime, 'waiting = 256\npatience_ms = 20000', 'deadline = "30s"'), work)
    b.table(title)


def squid(b, icap, direction, preview):
    """Squid with nothing stored, and with the service on one direction, or with none."""
    path = f'{b.folder}/squid-{direction}-{preview}.sh'
    point = 'reqmod_precache' if direction == 'reqmod' else 'respmod_precache'
    adapt = '' if not direction else f'''icap_enable on
icap_persistent_connections on
icap_preview_enable {preview}
icap_preview_size 1024
icap_service s {point} icap://{icap}/echo bypass=off
adaptation_access s allow all'''
    with open(path, 'w') as f:
        f.write(f'''#!/bin/sh
set -eu
d=$(mktemp -d); chmod 777 $d
cat >$d/conf <<C
http_port 127.0.0.1:$1 accel defaultsite=localhost no-vhost
cache_peer ${{2%:*}} parent ${{2#*:}} 0 no-query no-digest originserver default name=a
http_access allow all
shutdown_lifetime 1 second
pid_filename $d/pid
access_log none
cache_log $d/cache.log
cache_mem 256 MB
coredump_dir $d
pinger_enable off
{adapt}
C
exec squid -N -f $d/conf
''')
    name = 'squid none' if not direction else 'squid'
    return f'{name}=sh {path} {{port}} {{origin}}'


def icap(b):
    kinds = (('RESPMOD of 10 KiB', 'respmod', Work('/f10k.bin', 10240, unique=True)),
             ('REQMOD of GET', 'reqmod', Work('/f1k.bin', 1024, unique=True)),
             ('REQMOD of POST with 10 KiB', 'reqmod', Work('/post/', 10240, 'POST', body=10240)))
    with CIcap(cpu='1') as server:
        for kind, direction, work in kinds:
            mark = time.time_ns()
            pace = (lambda n, p=work.path: f'/nc/{mark}-{n}{p}') if work.method == 'GET' else (lambda n, p=work.path: p)
            for preview in ('off', 'on') if kind != 'REQMOD of GET' else ('off',):
                title = f'icap-client: {kind}, preview {preview}, c-icap echo'
                b.one(title, b.ours('none'), work, pace)
                ours = 'preview = "1K"' if preview == 'on' else 'preview = "off"'
                for runtime in runtimes(b, 'icap-client'):
                    options = f'{direction} = ["icap://{server.address}/echo"]\n{ours}'
                    b.one(title, b.ours(runtime, 'icap-client', runtime, options), work, pace)
                b.one(title, squid(b, server.address, '', preview), work, pace)
                b.one(title, squid(b, server.address, direction, preview), work, pace)
                b.table(title, against={'squid': 'squid none'})


def manager(b):
    title = 'content-manager: 10 KiB hits with the console listening'
    work = Work('/f10k.bin', 10240)
    b.one(title, b.ours('none'), work)
    answers = []
    for runtime in runtimes(b, 'content-manager'):
        port = free_port()
        spec = b.ours(runtime, 'content-manager', runtime, f'listen = "127.0.0.1:{port}"')
        b.one(title, spec, work)
        with contextlib.suppress(RuntimeError), Peer(spec, b.origin.address) as peer:
            answers.append((runtime, *asked(peer, port, 3000)))
    b.table(title)
    for runtime, us, per_second in answers:
        print(f'{runtime:24s} {us:9.1f} us a query {per_second:9.0f} queries a second, one after the other')


def asked(peer, port, n):
    """Processor time of one `query` of the console, and how many it answers a second to one who waits for each."""
    with socket.create_connection(('127.0.0.1', port), 20) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        got = s.makefile('rb', 0)

        def ask():
            s.sendall(b'query http://h.test/none\n')
            while b'\n' not in got.read(4096):
                pass
        for _ in range(50):
            ask()
        before, began = peer.cpu_seconds(), time.monotonic()
        for _ in range(n):
            ask()
        return (peer.cpu_seconds() - before) / n * 1e6, n / (time.monotonic() - began)


ALL = {'ad-remover': ads, 'compressor': compressor, 'transcoder': transcoder, 'text-injector': injector, 'content-manager': manager,
       'icap-client': icap}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('program', type=os.path.abspath)
    ap.add_argument('--seconds', type=int, default=3)
    ap.add_argument('--rounds', type=int, default=1, help='how often all of it is done; the last tables are medians')
    ap.add_argument('--conns', type=int, default=32)
    ap.add_argument('--only', default=','.join(ALL))
    ap.add_argument('--runtimes', default=','.join(RUNTIMES))
    a = ap.parse_args()
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory() as folder, Contents() as origin:
        os.chmod(folder, 0o755)
        b = Bench(a, folder, origin)
        for n in range(a.rounds):
            for name in a.only.split(','):
                ALL[name](b)


if __name__ == '__main__':
    main()
