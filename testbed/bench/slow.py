#!/usr/bin/env python3
"""Memory while a client reads a body of SIZE MiB slowly through the proxy: the largest PSS above idle.

    slow.py [--mib 1024] [--chunked] 'ours=target/release/understudy run --listen 127.0.0.1:{port} --to http://{origin} --workers 1'
"""
import argparse, hashlib, socket, threading, time
from peers import Peer


class BigOrigin(threading.Thread):
    """Answers /f1k.bin (readiness) and /big: a body of a known pattern, with Content-Length or chunked."""

    def __init__(self, mib, chunked):
        super().__init__(daemon=True)
        self.mib, self.chunked = mib, chunked
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.address = '127.0.0.1:%d' % self.listener.getsockname()[1]
        self.sent = 0

    def run(self):
        while True:
            s, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        data = b''
        while b'\r\n\r\n' not in data:
            more = s.recv(65536)
            if not more:
                return
            data += more
        try:
            if b' /big ' not in data.split(b'\r\n')[0]:
                s.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: no-store\r\nConnection: close\r\n\r\nok')
                return
            head = b'HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nConnection: close\r\n'
            head += b'Transfer-Encoding: chunked\r\n\r\n' if self.chunked else b'Content-Length: %d\r\n\r\n' % (self.mib << 20)
            s.sendall(head)
            for n in range(self.mib):
                piece = bytes([n % 256]) * (1 << 20)
                s.sendall(b'100000\r\n' + piece + b'\r\n' if self.chunked else piece)
                self.sent = n + 1
            if self.chunked:
                s.sendall(b'0\r\n\r\n')
        finally:
            s.close()


if __name__ == '__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--mib', type=int, default=1024)
    ap.add_argument('--chunked', action='store_true')
    ap.add_argument('--stall', type=float, default=3, help='seconds the reader stands still at the start')
    ap.add_argument('peers', nargs='+')
    a = ap.parse_args()
    origin = BigOrigin(a.mib, a.chunked)
    origin.start()
    for spec in a.peers:
        with Peer(spec, origin.address) as peer:
            time.sleep(1)
            idle = peak = peer.pss_mb()
            host, port = peer.address.split(':')
            s = socket.create_connection((host, int(port)))
            s.sendall(f'GET /big HTTP/1.1\r\nHost: {peer.address}\r\nConnection: close\r\n\r\n'.encode())
            time.sleep(a.stall)
            peak = max(peak, peer.pss_mb())
            ahead = origin.sent
            got, last = 0, 0
            while data := s.recv(1 << 20):
                got += len(data)
                if got - last > 16 << 20:
                    last = got
                    peak = max(peak, peer.pss_mb())
                    time.sleep(0.01)
            s.close()
            print(f'{peer.name:10s} idle {idle:.1f} MiB, largest {peak - idle:+.1f} MiB while {got >> 20} MiB went through; '
                  f'the origin was {ahead} MiB ahead of a reader that stood still', flush=True)
