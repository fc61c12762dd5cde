#!/usr/bin/env python3
"""What the module interface and each execution model cost: the proxy (and its children) on core 0, load and origin on core 1.

    modules.py PROGRAM [PROGRAM_WITHOUT_HOOKS] [--rounds 3] [--seconds 4] [--squid]

PROGRAM is a release build; the second one is built with `--no-default-features` and has no hooks at all. Prints processor time
per request of proxy, pool and children together, for 10 KiB hits and passed misses over 64 connections, and the difference to
no module in the same run; then the median time to an answer at 1,000 requests a second over one connection. With --squid also
Squid alone and Squid with c-icap's echo service on both directions (Debian's packages squid and c-icap).
Rounds alternate, so that a machine that changes its speed changes it for all.
"""
import argparse, os, socket, statistics, subprocess, sys, tempfile, time
from bench import wrk
from peers import Origin, Peer

HERE = os.path.dirname(os.path.abspath(__file__))


def table(name, runtime, more=''):
    return f'[[module]]\nname = "{name}"\nlibrary = "builtin:{name}"\nruntime = "{runtime}"\n{more}\n'


CONFIGS = {
    'none': '',
    'empty inline': table('empty', 'inline'),
    'headers inline': table('add-headers', 'inline'),
    'bodies inline': table('body-and-headers', 'inline'),
    'empty threads': table('empty', 'threads', 'threads = 1'),
    'headers threads': table('add-headers', 'threads', 'threads = 1'),
    'bodies threads': table('body-and-headers', 'threads', 'threads = 1'),
    'empty process': table('empty', 'process', 'threads = 1'),
    'headers process': table('add-headers', 'process', 'threads = 1'),
    'bodies process': table('body-and-headers', 'process', 'threads = 1'),
}


def command(program, text, folder, name):
    path = f'{folder}/{name.replace(" ", "-")}.toml'
    with open(path, 'w') as f:
        f.write(text)
    return f'{name}={program} run --config {path} --listen 127.0.0.1:{{port}} --to http://{{origin}} --workers 1 --admin off'


def paced(address, path, rate, seconds):
    """Median and 99th percentile, in microseconds, of answers to requests sent one every 1/rate seconds."""
    host, port = address.split(':')
    s = socket.create_connection((host, int(port)))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    took, n = [], 0
    until = time.monotonic() + seconds
    due = time.perf_counter_ns()
    while time.monotonic() < until:
        while time.perf_counter_ns() < due:
            pass
        due += int(1e9 / rate)
        n += 1
        at = path(n)
        began = time.perf_counter_ns()
        s.sendall(f'GET {at} HTTP/1.1\r\nHost: h.test\r\n\r\n'.encode())
        got = b''
        while b'\r\n\r\n' not in got:
            got += s.recv(65536)
        head, body = got.split(b'\r\n\r\n', 1)
        if b'chunked' in head.lower():
            while not body.endswith(b'0\r\n\r\n'):
                body += s.recv(65536)
        else:
            length = int(head.lower().split(b'content-length:')[1].split(b'\r\n')[0])
            while len(body) < length:
                body += s.recv(65536)
        took.append((time.perf_counter_ns() - began) / 1000)
    took.sort()
    return took[len(took) // 2], took[len(took) * 99 // 100]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('program')
    ap.add_argument('without', nargs='?')
    ap.add_argument('--rounds', type=int, default=3)
    ap.add_argument('--seconds', type=int, default=4)
    ap.add_argument('--conns', type=int, default=64)
    ap.add_argument('--only', default='', help='names of configurations, comma separated')
    ap.add_argument('--squid', action='store_true')
    ap.add_argument('--no-pace', action='store_true')
    a = ap.parse_args()
    os.sched_setaffinity(0, {1})
    only = [n for n in a.only.split(',') if n]
    with tempfile.TemporaryDirectory() as folder, Origin() as origin:
        specs = {}
        if a.without:
            specs['compiled out'] = command(os.path.abspath(a.without), '', folder, 'compiled out')
        for name, text in CONFIGS.items():
            if not only or name in only:
                specs[name] = command(os.path.abspath(a.program), text, folder, name)
        if a.squid:
            specs['squid'] = 'squid'
            specs['squid icap'] = f'squid icap=sh {HERE}/squid_icap.sh {{port}} {{origin}}'
        rows, paces = {}, {}
        for _ in range(a.rounds):
            for name, spec in specs.items():
                with Peer(spec, origin.address) as peer:
                    for kind in ('hit', 'pass'):
                        if name.startswith('squid') and kind == 'hit':
                            continue
                        with tempfile.NamedTemporaryFile('w', suffix='.lua') as f:
                            where = f'/nc/{time.time_ns()}-'
                            f.write(f'local n=0\nrequest=function() n=n+1 return wrk.format("GET","{where}"..n.."/f10k.bin") end\n')
                            f.flush()
                            script = f.name if kind == 'pass' else None
                            wrk(peer, '/f10k.bin', 1, a.conns, script)
                            before = peer.cpu_seconds()
                            r = wrk(peer, '/f10k.bin', a.seconds, a.conns, script)
                            us = (peer.cpu_seconds() - before) / max(r['n'], 1) * 1e6
                            if r['bad'] != '0' or r['errors']:
                                print(name, kind, 'bad', r['bad'], r['errors'], file=sys.stderr)
                            rows.setdefault((kind, name), []).append(us)
                        if not a.no_pace:
                            mark = time.time_ns()
                            path = (lambda n: '/f10k.bin') if kind == 'hit' else (lambda n: f'/nc/{mark}-{n}/f10k.bin')
                            paces.setdefault((kind, name), []).append(paced(peer.address, path, 1000, 2))
        for kind, base in (('hit', 'none'), ('pass', 'none')):
            print(f'--- 10 KiB {kind}, {a.conns} connections, median of {a.rounds}; at 1,000 requests/s, one connection')
            for name in specs:
                if (kind, name) not in rows:
                    continue
                med = statistics.median(rows[kind, name])
                ref = statistics.median(rows.get((kind, 'squid' if name.startswith('squid') else base), [med]))
                line = f'{name:16s} {med:8.2f} us/request  {med - ref:+7.2f} us  {med / ref:6.3f}'
                if (kind, name) in paces:
                    p = statistics.median(x[0] for x in paces[kind, name])
                    q = statistics.median(x[1] for x in paces[kind, name])
                    line += f'   p50 {p:7.1f} us  p99 {q:7.1f} us'
                print(line, flush=True)


if __name__ == '__main__':
    main()
