"""A small newspaper on five local names: pages, images in four formats, scripts, styles, advertisements and trackers.

Everything is made here, the same every time, and served by one origin: names below `localhost` are this machine everywhere.
Needs Pillow for the images.

    with Site() as site:
        site.url, site.asked        # the front page; how often each name was asked, and the bytes it sent
"""
import collections, email.utils, io, json, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from PIL import Image, ImageDraw, ImageFilter, ImageOps, ImageSequence

NEWS, MEDIA, STATIC, ADS, TRACK = (f'{n}.localhost' for n in ('news', 'media', 'static', 'ads', 'track'))

# For an ad remover: what to take away.
LIST = f'[Adblock Plus 2.0]\n! The names of this site that nobody reads it for.\n||{ADS}^\n||{TRACK}^\n'

STORIES = [
    ('Ferry timetable grows by a page', 'The harbour office has printed the winter timetable on two sheets for the first time since the '
     'new pier was opened. Boats now leave every forty minutes until ten in the evening, and on market days an hour longer. The second '
     'sheet, the office says, is mostly footnotes.'),
    ('Baker repairs the town clock', 'For eleven days the clock above the square had been four minutes slow, long enough for everybody to '
     'agree on a new habit and too short for anybody to like it. The baker, who gets up before the clock does, climbed the tower with a '
     'screwdriver and came down with flour on the dial.'),
    ('Library counts its umbrellas', 'Of the hundred and forty umbrellas lent out in autumn a hundred and fifty-one came back. The '
     'librarians have no explanation and no room. Until spring an umbrella may be kept by whoever promises to forget it somewhere else.'),
    ('A bench moves north', 'The green bench at the river has moved by its own length towards the bridge. Nobody admits to it. From the '
     'new place one sees both the water and the church, which, people who sit there say, should have been thought of before.'),
]


def photo(size, at, colours):
    """Something with the detail of a photograph, computed. Shown in its own size: scaling is the browser's business."""
    detail = Image.effect_mandelbrot(size, at, 60)
    light = Image.linear_gradient('L').resize(size)
    black, white, middle = colours
    picture = ImageOps.colorize(Image.blend(detail, light, 0.45), black, white, middle)
    return picture.filter(ImageFilter.GaussianBlur(0.6))


def encoded(picture, kind, **how):
    out = io.BytesIO()
    picture.save(out, kind, **how)
    return out.getvalue()


def chart():
    picture = Image.new('RGB', (304, 190), '#f7f3e8')
    draw = ImageDraw.Draw(picture)
    for n, (height, colour) in enumerate(zip((60, 90, 40, 130, 110, 150), ('#c0392b', '#d35400', '#f39c12', '#27ae60', '#2980b9', '#8e44ad'))):
        draw.rectangle((18 + n * 47, 170 - height, 50 + n * 47, 170), fill=colour)
        draw.text((28 + n * 47, 173), f'{n + 1}.', fill='#333')
    draw.line((10, 170, 294, 170), fill='#333', width=2)
    return picture


def clock():
    """A hand that goes once round and stops."""
    frames = []
    for n in range(8):
        frame = Image.new('RGB', (160, 160), '#ffffff')
        draw = ImageDraw.Draw(frame)
        draw.ellipse((8, 8, 152, 152), fill='#fdebd0', outline='#a04000', width=6)
        draw.pieslice((20, 20, 140, 140), -90, -90 + 45 * (n + 1), fill='#e67e22')
        frames.append(frame)
    return encoded(frames[0], 'GIF', save_all=True, append_images=frames[1:], duration=60)


def banner(text, colours, size=(728, 90)):
    picture = ImageOps.colorize(Image.linear_gradient('L').rotate(90).resize(size), *colours)
    draw = ImageDraw.Draw(picture)
    draw.text((size[0] // 2, size[1] // 2), text, fill='white', anchor='mm', font_size=min(34, size[0] // 9))
    draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline='#fff200', width=5)
    return encoded(picture, 'PNG')


def files(port):
    """Path by name: its type and bytes."""
    on = lambda name, path: f'http://{name}:{port}{path}'
    turned = photo((136, 190), (-0.78, 0.05, -0.70, 0.17), ('#0b3d2e', '#f6e7cb', '#3a9d5d')).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: it was taken upright
    pictures = {
        '/harbour.jpg': ('image/jpeg', encoded(photo((1000, 350), (-0.86, 0.08, -0.62, 0.26), ('#14213d', '#ffe3a5', '#2a78c2')), 'JPEG', quality=88)),
        '/tower.jpg': ('image/jpeg', encoded(turned, 'JPEG', quality=85, exif=exif)),
        '/river.webp': ('image/webp', encoded(photo((304, 190), (-0.25, 0.62, 0.10, 0.86), ('#5a1a4a', '#ffe5d9', '#d95d39')), 'WEBP', quality=85)),
        '/umbrellas.png': ('image/png', encoded(chart(), 'PNG')),
        '/clock.gif': ('image/gif', clock()),
    }
    stories = ''.join(
        f'<article><h2>{title}</h2><p>{text}</p><p>{text.split(". ")[-1]} Read more on page {n + 2}.</p></article>\n'
        for n, (title, text) in enumerate(STORIES * 3))
    page = f'''<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>The Harbour Gazette</title>
<link rel="stylesheet" href="{on(STATIC, '/style.css')}">
<link rel="icon" href="data:,">
<script src="{on(TRACK, '/count.js')}"></script>
</head>
<body>
<header><h1>The Harbour Gazette</h1><p id="weather">The weather is being fetched.</p></header>
<div class="ad"><img src="{on(ADS, '/top.png')}" width="728" height="90" alt=""></div>
<img class="wide" src="{on(MEDIA, '/harbour.jpg')}" width="1000" height="350" alt="The harbour">
<main>
<div class="pictures">
<img src="{on(MEDIA, '/tower.jpg')}" width="136" height="190" alt="The tower">
<img src="{on(MEDIA, '/river.webp')}" width="304" height="190" alt="The river">
<img src="{on(MEDIA, '/umbrellas.png')}" width="304" height="190" alt="Umbrellas by month">
<img src="{on(MEDIA, '/clock.gif')}" width="160" alt="The clock">
</div>
<iframe class="ad" src="{on(ADS, '/frame.html')}" width="300" height="250" title=""></iframe>
<section>
{stories}</section>
</main>
<footer><p id="said">The page is not complete yet.</p></footer>
<script src="{on(STATIC, '/page.js')}"></script>
<script async src="{on(ADS, '/late.js')}"></script>
<img src="{on(TRACK, '/pixel.gif?page=front')}" width="1" height="1" alt="">
</body>
</html>
'''
    script = f'''"use strict";
const filler = {json.dumps([f"key {n}: the page keeps a table of words, as pages do" for n in range(250)])};
window.addEventListener("load", async () => {{
  const weather = await (await fetch("/weather.json")).json();
  document.getElementById("weather").textContent = weather.text;
  await fetch("{on(TRACK, '/collect')}", {{method: "POST", body: "seen"}}).then(a => a.text()).catch(() => {{}});
  const images = [...document.images].filter(i => i.naturalWidth > 0).length;
  document.getElementById("said").textContent = `complete: ${{images}} of ${{document.images.length}} images, ${{filler.length}} words`;
}});
'''
    style = '''body { margin: 0 auto; max-width: 1000px; font-family: "DejaVu Serif", serif; background: #fffdf5; color: #222; }
header { border-bottom: 4px double #14213d; padding: 8px 16px; color: #14213d; }
h1 { margin: 0; font-size: 44px; } h2 { font-size: 19px; color: #a04000; margin-bottom: 4px; }
.wide { width: 100%; height: auto; display: block; } .ad { display: block; margin: 8px auto; border: 0; }
.ad img { display: block; margin: 0 auto; }
.pictures { display: flex; gap: 12px; align-items: center; padding: 12px; background: #f1e9d2; flex-wrap: wrap; }
iframe.ad { float: right; margin: 16px; }
section { columns: 2; padding: 16px; font-size: 14px; line-height: 1.45; }
footer { border-top: 1px solid #999; padding: 8px 16px; font-size: 13px; color: #666; }
''' + ''.join(f'.unused-{n} {{ margin: {n}px; padding: {n % 7}px; color: #{n * 4099:06x}; }}\n' for n in range(300))
    late = f'''document.addEventListener("readystatechange", () => {{}});
(() => {{ const ad = document.createElement("a"); ad.href = "#"; ad.className = "ad";
  const image = new Image(728, 90); image.src = "{on(ADS, '/bottom.png')}"; image.onerror = () => {{}};
  ad.append(image); document.querySelector("footer").before(ad); }})();
''' + '// a library that came along\n' * 3000
    pixel = encoded(Image.new('P', (1, 1)), 'GIF')
    frame = f'<!DOCTYPE html><title></title><body style="margin:0"><img src="/box.png" width="300" height="250" alt="">'
    count = '(() => { const seen = []; window.addEventListener("click", e => seen.push(e.timeStamp)); })();\n' + '// a tracker\n' * 2500
    sitemap = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n' + ''.join(
        f'<url><loc>{url}</loc></url>\n' for url in [on(NEWS, '/'), on(STATIC, '/style.css'), on(STATIC, '/page.js')] + [on(MEDIA, p) for p in pictures]) + '</urlset>\n'
    weather = json.dumps({'text': 'Today: light wind from the pier, warmer near the bakery.', 'hours': list(range(24))})
    return {
        NEWS: {'/': ('text/html; charset=utf-8', page.encode()), '/weather.json': ('application/json', weather.encode()),
               '/sitemap.xml': ('application/xml', sitemap.encode())},
        MEDIA: pictures,
        STATIC: {'/style.css': ('text/css', style.encode()), '/page.js': ('text/javascript', script.encode())},
        ADS: {'/top.png': ('image/png', banner('BUY A BIGGER BOAT', ('#ff006e', '#8338ec'))),
              '/bottom.png': ('image/png', banner('ONE WEIRD ANCHOR TRICK', ('#fb5607', '#ffbe0b'))),
              '/box.png': ('image/png', banner('CLICK HERE NOW', ('#3a86ff', '#ff006e'), (300, 250))),
              '/frame.html': ('text/html', frame.encode()), '/late.js': ('text/javascript', late.encode())},
        TRACK: {'/count.js': ('text/javascript', count.encode()), '/pixel.gif': ('image/gif', pixel)},
    }


class Site:
    """The origin of all five names, on a port of its own."""

    def __enter__(self):
        site, self.asked, self.lock = self, collections.Counter(), threading.Lock()
        modified = email.utils.formatdate(1_700_000_000, usegmt=True)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            disable_nagle_algorithm = True

            def reply(self, status, kind, body, *fields):
                host = self.headers.get('host', '').split(':')[0]
                with site.lock:
                    site.asked[host] += 1
                    site.asked[host + ' bytes'] += len(body)
                self.send_response(status)
                for name, value in (('Content-Type', kind), ('Content-Length', len(body)), *fields):
                    self.send_header(name, str(value))
                self.end_headers()
                if self.command != 'HEAD':
                    self.wfile.write(body)

            def do_GET(self):
                host, path = self.headers.get('host', '').split(':')[0], self.path.split('?')[0]
                found = site.files.get(host, {}).get(path)
                if not found:
                    return self.reply(404, 'text/plain', b'no such page\n')
                life = 'no-store' if host == TRACK else 'public, max-age=600'
                self.reply(200, *found, ('Cache-Control', life), ('Last-Modified', modified))

            do_HEAD = do_GET

            def do_POST(self):
                self.rfile.read(int(self.headers.get('content-length') or 0))
                self.reply(200, 'text/plain', b'taken', ('Cache-Control', 'no-store'), ('Access-Control-Allow-Origin', '*'))

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.files = files(self.port)
        self.url = f'http://{NEWS}:{self.port}/'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


if __name__ == '__main__':
    with Site() as site:
        print(site.url, flush=True)
        threading.Event().wait()
