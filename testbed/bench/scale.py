#!/usr/bin/env python3
"""Whether a second worker costs: processor time per request with one worker and with two, load and proxy free to use both cores.

    scale.py [--kb 1] 'understudy=target/release/understudy run --listen 127.0.0.1:{port} --to http://{origin} --workers {workers}'

The load shares the two cores, so throughput cannot double here; processor time per request that does not grow says that the
workers do not stand in each other's way. Rounds alternate.
"""
import argparse, re, statistics, subprocess
from peers import Origin, Peer

if __name__ == '__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--kb', default='1')
    ap.add_argument('--seconds', type=int, default=4)
    ap.add_argument('--rounds', type=int, default=3)
    ap.add_argument('peer')
    a = ap.parse_args()
    found = {}
    with Origin(cpu=None) as origin:
        for _ in range(a.rounds):
            for workers in (1, 2):
                with Peer(a.peer.replace('{workers}', str(workers)), origin.address, cpu=None) as peer:
                    url = f'http://{peer.address}/f{a.kb}k.bin'
                    load = ['wrk', '-t2', '-c64', f'-d{a.seconds}s', url]
                    subprocess.run(['wrk', '-t2', '-c64', '-d1s', url], capture_output=True)
                    before = peer.cpu_seconds()
                    out = subprocess.run(load, capture_output=True, text=True).stdout
                    n = int(re.search(r'(\d+) requests in', out)[1])
                    found.setdefault(workers, []).append(((peer.cpu_seconds() - before) / n * 1e6, n / a.seconds))
    for workers, v in found.items():
        us, rps = (statistics.median(x) for x in zip(*v))
        print(f'{workers} worker{"s" if workers > 1 else " "} {us:6.2f} us/request {rps:9.0f} req/s', flush=True)
