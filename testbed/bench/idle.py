#!/usr/bin/env python3
"""User memory of an idle keep-alive connection: growth of the proxy's PSS over N connections that each got one answer.

    idle.py [--conns 10000] haproxy 'ours=target/release/understudy run --listen 127.0.0.1:{port} --to http://{origin} --workers 1'
"""
import argparse, resource, socket, time
from peers import Origin, Peer


def get(s, host):
    s.sendall(f'GET /f1k.bin HTTP/1.1\r\nHost: {host}\r\n\r\n'.encode())
    data = b''
    while b'\r\n\r\n' not in data:
        data += s.recv(65536)
    head, _, body = data.partition(b'\r\n\r\n')
    length = next(int(l.split(b':')[1]) for l in head.split(b'\r\n') if l.lower().startswith(b'content-length'))
    while len(body) < length:
        body += s.recv(65536)


if __name__ == '__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--conns', type=int, default=10000)
    ap.add_argument('peers', nargs='+')
    a = ap.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Origin() as origin:
        for spec in a.peers:
            with Peer(spec, origin.address) as peer:
                host, port = peer.address.split(':')
                conns = []
                def open_one():
                    s = socket.create_connection((host, int(port)))
                    get(s, peer.address)
                    conns.append(s)
                for _ in range(100):  # what every proxy allocates once
                    open_one()
                time.sleep(1.5)
                before = peer.pss_mb()
                for _ in range(a.conns):
                    open_one()
                time.sleep(1.5)
                after = peer.pss_mb()
                print(f'{peer.name:10s} {(after - before) * 1024 / a.conns:6.2f} KiB a connection  ({before:.1f} -> {after:.1f} MiB, {a.conns} connections)', flush=True)
                for s in conns:
                    s.close()
