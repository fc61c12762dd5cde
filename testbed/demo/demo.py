#!/usr/bin/env python3
"""A page with images, scripts, advertisements and trackers through the forward proxy and headless Chromium: without modules, then with
all six, in each runtime they allow.

    demo.py PROGRAM [--out DIRECTORY] [--runtimes inline,threads,process] [--need]

Prints a table: bytes the browser received with nothing stored (first) and from the cache by a new browser (second), what the
origin was asked, and what the browser complained of. Fails when a page is not complete, an advertisement was fetched, an
image is coloured, the injected line is missing, the browser complained, or the runtimes do not show the same. A module that
PROGRAM does not have is left out, and said so; with --need that fails. With --out the screenshots go there.
Needs Pillow, Chromium, and c-icap for the ICAP client.
"""
import argparse, contextlib, io, json, os, pathlib, shutil, signal, socket, subprocess, sys, tempfile, time, urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'bench')]
from PIL import Image, ImageChops  # noqa: E402
import gazette  # noqa: E402
from browser import Browser  # noqa: E402
from icap import CIcap  # noqa: E402
from peers import free_port  # noqa: E402

RUNTIMES = ('inline', 'threads', 'process')
COMPLETE = 'document.getElementById("said")?.textContent.startsWith("complete")'
SIZE = (1000, 1150)


def tables(folder, console, icap):
    """The table of each module, and its options. No time-out ends what only waits for a busy machine."""
    patient = 'deadline = "60s"'
    return {
        'ad-remover': (patient, f'lists = ["{folder}/list.txt"]'),
        'text-injector': (f'match.hosts = ["{gazette.NEWS}"]\n{patient}',
                          f'helper = ["{sys.executable}", "{HERE}/greet.py"]\nask = "{{client}}"\n'
                          'selector = "body"\nposition = "prepend"\nidentity = true\ntimeout = "50s"'),
        'content-manager': (patient, f'listen = "127.0.0.1:{console}"\nroot = "{folder}"'),
        'compressor': (patient, ''),
        'transcoder': ('on_failure = "open"\ndeadline = "30s"', 'grayscale = "always"'),
        'icap-client': (patient, f'reqmod = ["icap://{icap}/echo"]\nrespmod = ["icap://{icap}/echo"]\n'
                        'timeout = "50s"\nconnect_timeout = "50s"'),
    }


def allowed(program, module, runtime):
    """Whether PROGRAM has the module, and the runtime it is to have: what waits on the spot is refused inline."""
    told = subprocess.run([program, 'modules', 'check', f'builtin:{module}'], capture_output=True, text=True)
    if told.returncode:
        return None
    blocking = any(line.startswith('flags:') and 'blocking' in line for line in told.stdout.splitlines())
    return 'threads' if blocking and runtime == 'inline' else runtime


class Proxy:
    """The program as a forward proxy with these modules, on ports of its own."""

    def __init__(self, program, modules, folder):
        self.program, self.folder = program, folder
        path = pathlib.Path(folder) / 'understudy.toml'
        path.write_text('workers = 1\n' + ''.join(
            f'[[module]]\nname = "{name}"\nlibrary = "builtin:{name}"\nruntime = "{runtime}"\n{keys}\n[module.options]\n{options}\n'
            for name, runtime, keys, options in modules))
        self.port, self.admin = free_port(), free_port()
        self.command = [program, 'run', '--config', str(path), '--listen', f'127.0.0.1:{self.port}', '--admin', f'127.0.0.1:{self.admin}',
                        '--allow-to', '127.0.0.0/8', '--access-log', 'off']

    def __enter__(self):
        self.said = open(f'{self.folder}/stderr', 'w+')
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.said, stderr=self.said)
        for _ in range(600):
            text = pathlib.Path(self.said.name).read_text()
            if '\nready\n' in text:
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.process.kill()
        raise SystemExit(f'the proxy did not start:\n{text}')

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.said.close()

    @property
    def address(self):
        return f'127.0.0.1:{self.port}'

    def modules(self):
        with urllib.request.urlopen(f'http://127.0.0.1:{self.admin}/modules') as answer:
            return {m['name']: m for m in json.load(answer)['modules']}


def console(port, line):
    """What the content manager's console answers to one line."""
    with socket.create_connection(('127.0.0.1', port), 20) as s:
        s.sendall(f'{line}\nquit\n'.encode())
        said = b''
        while piece := s.recv(1 << 16):
            said += piece
    return said.decode(errors='replace')


def colour(picture):
    """How far a picture is from gray, at its most colourful pixel."""
    r, g, b = picture.convert('RGB').split()
    return max(ImageChops.difference(x, y).getextrema()[1] for x, y in ((r, g), (g, b), (r, b)))


def settled(browser):
    """What is shown when it has not changed for a while: the clock's hand goes round once."""
    shown, same = browser.screenshot(SIZE[1]), 0
    while same < 4:
        time.sleep(0.3)
        before, shown = shown, browser.screenshot(SIZE[1])
        same = same + 1 if shown == before else 0
    return Image.open(io.BytesIO(shown)).convert('RGB')


def visit(proxy, url):
    """Loads the page in a new browser."""
    with Browser(proxy.address, SIZE) as browser:
        loaded = browser.load(url, COMPLETE)
        said = browser.evaluate('document.getElementById("said").textContent')
        injected = browser.evaluate('document.getElementById("injected")?.textContent ?? ""')
        hero = json.loads(browser.evaluate('JSON.stringify(document.querySelector(".wide").getBoundingClientRect())'))
        shown = settled(browser)
    box = [int(hero['left']) + 2, int(hero['top']) + 2, int(hero['right']) - 2, int(hero['bottom']) - 2]
    return loaded, said, injected, shown, colour(shown.crop(box))


def run(program, site, runtime, a):
    """One configuration: what was measured, and what is wrong."""
    wrong, left_out = [], []
    with tempfile.TemporaryDirectory(prefix='demo-') as folder, contextlib.ExitStack() as stack:
        pathlib.Path(folder, 'list.txt').write_text(gazette.LIST)
        modules, port = [], free_port()
        if runtime:
            icap = stack.enter_context(CIcap()) if shutil.which('c-icap') else None
            for name, (keys, options) in tables(folder, port, icap.address if icap else '').items():
                where = allowed(program, name, runtime)
                if where is None or name == 'icap-client' and not icap:
                    left_out.append(name)
                else:
                    modules.append((name, where, keys, options))
        names = [name for name, *_ in modules]
        proxy = stack.enter_context(Proxy(program, modules, folder))
        site.asked.clear()
        try:
            first, said, injected, shown, coloured = visit(proxy, site.url)
        except RuntimeError as e:
            told = pathlib.Path(proxy.said.name).read_text()
            sys.exit(f'{runtime or "no modules"}: {e}\nasked of the origin: {dict(site.asked)}\nthe proxy said:\n{told}')
        ads = site.asked[gazette.ADS] + site.asked[gazette.TRACK]
        origin = site.asked.copy()
        second, *_ = visit(proxy, site.url)
        stored = console(port, f'list {site.url}') if 'content-manager' in names else ''
        counts = {name: m.get('counts', {}) for name, m in proxy.modules().items()} if runtime else {}
        failures = {name: m['failures'] for name, m in proxy.modules().items() if m['failures']} if runtime else {}
        for what in first.complaints + second.complaints:
            wrong.append(f'the browser complains: {what}')
        images = '8 of 8' if not runtime or 'ad-remover' not in names else None
        if not said.startswith('complete') or images and images not in said:
            wrong.append(f'the page is not complete: {said}')
        if 'ad-remover' in names and ads:
            wrong.append(f'{ads} requests for advertisements reached their origin')
        if 'transcoder' in names and coloured > 6:
            wrong.append(f'the large image is coloured: {coloured}')
        if 'text-injector' in names and '127.0.0.1' not in injected:
            wrong.append(f'the injected line is missing: {injected!r}')
        if 'content-manager' in names and gazette.NEWS not in stored:
            wrong.append(f'the console does not list what is stored: {stored!r}')
        if failures:
            wrong.append(f'modules failed: {failures}')
    row = dict(runtime=runtime or 'none', modules=[f'{n} {w}' if w != runtime else n for n, w, *_ in modules], first=first.bytes,
               second=second.bytes, requests=first.requests, origin=sum(n for h, n in origin.items() if not h.endswith('bytes')),
               origin_bytes=sum(n for h, n in origin.items() if h.endswith('bytes')), ads=ads, wrong=wrong, left_out=left_out, counts=counts)
    return row, shown


def saved(picture, path):
    """A small PNG: a screenshot needs no more than 256 colours."""
    picture.resize((SIZE[0] * 4 // 5, SIZE[1] * 4 // 5), Image.Resampling.LANCZOS).quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(path, optimize=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('program', type=os.path.abspath)
    ap.add_argument('--out', type=pathlib.Path)
    ap.add_argument('--runtimes', default=','.join(RUNTIMES))
    ap.add_argument('--need', action='store_true', help='every module must be there')
    a = ap.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('ended before it was done'))  # So that nothing started here is left.
    with gazette.Site() as site:
        rows = [run(a.program, site, runtime, a) for runtime in [None] + a.runtimes.split(',')]
    before, pictures = rows[0][0], [shown for row, shown in rows[1:]]
    print('| modules | first load, bytes | second load, bytes | requests | asked of the origin | bytes from it | for advertisements |')
    print('|---|--:|--:|--:|--:|--:|--:|')
    for row, _ in rows:
        share = lambda key: '' if row is before else f' ({row[key] / before[key]:.0%})'
        print(f'| {"all, " + row["runtime"] if row is not before else "none"} | {row["first"]:,}{share("first")} | {row["second"]:,}{share("second")} '
              f'| {row["requests"]} | {row["origin"]} | {row["origin_bytes"]:,} | {row["ads"]} |')
    wrong = [f'{row["runtime"]}: {what}' for row, _ in rows for what in row['wrong']]
    for n, picture in enumerate(pictures[1:], 1):
        where = ImageChops.difference(pictures[0], picture).getbbox()
        if where:
            wrong.append(f'{rows[1][0]["runtime"]} and {rows[n + 1][0]["runtime"]} do not show the same within {where}')
            if a.out:
                saved(picture, a.out / f'demo-after-{rows[n + 1][0]["runtime"]}.png')
    for row, _ in rows[1:]:
        print(f'\n{row["runtime"]}: {", ".join(row["modules"])}')
        for name, counts in row['counts'].items():
            if counts:
                print(f'  {name}: ' + ', '.join(f'{k} {v}' for k, v in counts.items()))
    left_out = rows[-1][0]['left_out']
    if left_out:
        print(f'\nleft out: {", ".join(left_out)}')
        if a.need:
            wrong.append('modules are missing')
    if a.out:
        a.out.mkdir(parents=True, exist_ok=True)
        saved(rows[0][1], a.out / 'demo-before.png')
        saved(pictures[0], a.out / 'demo-after.png')
    print('\n' + ('nothing is wrong' if not wrong else '\n'.join(wrong)))
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
