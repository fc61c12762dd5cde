#!/usr/bin/env python3
"""Instructions in user space per request, counted by valgrind's callgrind over one keep-alive connection.

    instructions.py PROGRAM hit|pass|miss COUNT [flags of `run`...]

PROGRAM is a release build; 10 KiB answers; the first 200 requests are not counted. `hit` asks for one object again and again, `miss` for
new ones that are stored, `pass` for new ones that are not. Needs Debian's package valgrind.
"""
import os, re, signal, socket, subprocess, sys, tempfile, threading

BODY = os.urandom(10240)
PATHS = {'hit': lambda n: '/f', 'pass': lambda n: f'/nc/{n}', 'miss': lambda n: f'/u/{n}'}


def answer(head):
    control = b'no-store' if b'/nc/' in head.split(b' ')[1] else b'max-age=3600'
    return (b'HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: application/octet-stream\r\nETag: "abc"\r\n'
            b'Last-Modified: Sat, 21 Nov 2020 10:00:00 GMT\r\nCache-Control: ' + control
            + b'\r\nContent-Length: 10240\r\n\r\n' + BODY)


def serve(connection):
    got = b''
    while True:
        while b'\r\n\r\n' not in got:
            more = connection.recv(65536)
            if not more:
                return
            got += more
        head, got = got.split(b'\r\n\r\n', 1)
        connection.sendall(answer(head))


def origin():
    listener = socket.create_server(('127.0.0.1', 0))

    def accept():
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def get(connection, path):
    connection.sendall(f'GET {path} HTTP/1.1\r\nHost: h.test\r\nUser-Agent: wrk\r\nAccept: */*\r\n\r\n'.encode())
    got = b''
    while b'\r\n\r\n' not in got:
        got += connection.recv(65536)
    head, body = got.split(b'\r\n\r\n', 1)
    if b'chunked' in head.lower():
        while not body.endswith(b'0\r\n\r\n'):
            body += connection.recv(65536)
    else:
        length = int(re.search(rb'(?i)content-length: (\d+)', head)[1])
        while len(body) < length:
            body += connection.recv(65536)


def main():
    program, work, count, *flags = sys.argv[1:]
    count = int(count)
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        proxy = subprocess.Popen(
            ['valgrind', '--tool=callgrind', '--instr-atstart=no', f'--callgrind-out-file={folder}/out', program, 'run',
             '--listen', f'127.0.0.1:{port}', '--to', f'http://127.0.0.1:{origin()}', '--workers', '1', '--admin', 'off', *flags],
            stderr=subprocess.PIPE, text=True)
        if not any(line.strip() == 'ready' for line in proxy.stderr):
            sys.exit('the proxy did not start')
        threading.Thread(target=proxy.stderr.read, daemon=True).start()
        count_instructions = lambda on: subprocess.run(['callgrind_control', '-i', on, str(proxy.pid)], capture_output=True)
        with socket.create_connection(('127.0.0.1', port)) as connection:
            for n in range(200):
                get(connection, PATHS[work](n))
            count_instructions('on')
            for n in range(200, 200 + count):
                get(connection, PATHS[work](n))
            count_instructions('off')
        proxy.send_signal(signal.SIGTERM)
        proxy.wait()
        total = int(re.search(r'^totals: (\d+)', open(f'{folder}/out', errors='replace').read(), re.M)[1])
        print(f'{work}: {total / count:.0f} instructions a request')


if __name__ == '__main__':
    main()
