"""Headless Chromium over its debugging pipe: what it received, what it complained of, and what it shows.

    with Browser(proxy='127.0.0.1:3128') as browser:
        loaded = browser.load(url, done='document.title == "x"')
        loaded.bytes, loaded.requests, loaded.complaints
        browser.screenshot('page.png')
"""
import base64, dataclasses, json, os, queue, subprocess, sys, tempfile, threading, time

FLAGS = ('--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run --hide-scrollbars '
         '--disable-background-networking --disable-component-update --disable-default-apps --disable-extensions --disable-sync '
         '--disable-site-isolation-trials --disable-features=IsolateOrigins,site-per-process,HttpsUpgrades,OptimizationHints,MediaRouter --force-color-profile=srgb --remote-debugging-pipe').split()

# Chromium reads commands from descriptor 3 and writes to 4. Placed by a program of its own: between fork and exec a process with
# threads may do little.
PLACE = ('import os, sys\n'
         'read, write = os.dup(int(sys.argv[1])), os.dup(int(sys.argv[2]))\n'
         'for have, want in ((read, 3), (write, 4)):\n'
         '    os.dup2(have, want), os.set_inheritable(want, True)\n'
         'os.execvp(sys.argv[3], sys.argv[3:])\n')


@dataclasses.dataclass
class Loaded:
    bytes: int = 0          # over the connection to the proxy, heads included
    requests: int = 0
    complaints: list = dataclasses.field(default_factory=list)  # of the console, of the page, of the network
    by_url: dict = dataclasses.field(default_factory=dict)
    seconds: float = 0.0


class Browser:
    def __init__(self, proxy, size=(1000, 900), patience=60):
        self.proxy, self.size, self.patience = proxy, size, patience

    def __enter__(self):
        self.profile = tempfile.TemporaryDirectory(prefix='chromium-', ignore_cleanup_errors=True)
        ours_read, theirs_write = os.pipe()
        theirs_read, ours_write = os.pipe()

        args = [sys.executable, '-c', PLACE, str(theirs_read), str(theirs_write), os.environ.get('CHROMIUM', 'chromium'), *FLAGS, f'--user-data-dir={self.profile.name}', f'--window-size={self.size[0]},{self.size[1]}',
                f'--proxy-server=http://{self.proxy}', '--proxy-bypass-list=<-loopback>', 'about:blank']
        self.log = open(f'{self.profile.name}/stderr', 'w+')
        self.process = subprocess.Popen(args, pass_fds=(theirs_read, theirs_write), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        env={**os.environ, 'HOME': self.profile.name}, start_new_session=True)
        os.close(theirs_read), os.close(theirs_write)
        self.to, self.source = os.fdopen(ours_write, 'wb', 0), os.fdopen(ours_read, 'rb', 0)
        self.number, self.answers, self.events = 0, {}, queue.Queue()
        self.arrived = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        target = self._ask('Target.createTarget', url='about:blank')['targetId']
        self.session = None
        self.session = self._ask('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in ('Page', 'Network', 'Log', 'Runtime'):
            self._ask(f'{domain}.enable')
        self._ask('Emulation.setDeviceMetricsOverride', width=self.size[0], height=self.size[1], deviceScaleFactor=1, mobile=False)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.to.close()
        self.log.close()
        self.profile.cleanup()

    def _read(self):
        rest = b''
        while piece := self.source.read(1 << 16):
            *whole, rest = (rest + piece).split(b'\0')
            for message in map(json.loads, whole):
                if 'id' in message:
                    with self.arrived:
                        self.answers[message['id']] = message
                        self.arrived.notify_all()
                else:
                    self.events.put(message)

    def _ask(self, method, **params):
        self.number += 1
        number, message = self.number, {'id': self.number, 'method': method, 'params': params}
        if getattr(self, 'session', None):
            message['sessionId'] = self.session
        self.to.write(json.dumps(message).encode() + b'\0')
        with self.arrived:
            if not self.arrived.wait_for(lambda: number in self.answers, self.patience):
                raise RuntimeError(f'the browser does not answer {method}')
            answer = self.answers.pop(number)
        if 'error' in answer:
            raise RuntimeError(f'{method}: {answer["error"]["message"]}')
        return answer['result']

    def evaluate(self, expression):
        return self._ask('Runtime.evaluate', expression=expression, returnByValue=True)['result'].get('value')

    def load(self, url, done):
        """Goes there, and waits until `done`, an expression, is true and nothing is under way."""
        loaded, urls, open_, began = Loaded(), {}, set(), time.monotonic()
        self._ask('Page.navigate', url=url)
        finished = False
        while not finished or open_:
            if time.monotonic() - began > self.patience:
                raise RuntimeError(f'{url} is never complete; under way: {[urls.get(o) for o in open_]}; {loaded.complaints}')
            try:
                event = self.events.get(timeout=0.1)
            except queue.Empty:
                finished = bool(self.evaluate(done))
                continue
            name, of = event['method'], event['params']
            if name == 'Network.requestWillBeSent':
                if of['request']['url'].startswith('http'):
                    urls[of['requestId']] = of['request']['url']
                    open_.add(of['requestId'])
                    loaded.requests += 1
            elif name == 'Network.loadingFinished' and of['requestId'] in urls:
                open_.discard(of['requestId'])
                size = int(of['encodedDataLength'])
                loaded.bytes += size
                loaded.by_url[urls[of['requestId']]] = size
            elif name == 'Network.loadingFailed' and of['requestId'] in urls:
                open_.discard(of['requestId'])
                loaded.complaints.append(f'{urls[of["requestId"]]}: {of["errorText"]}')
            elif name == 'Log.entryAdded' and of['entry']['level'] in ('error', 'warning'):
                loaded.complaints.append(f'{of["entry"]["text"]} {of["entry"].get("url", "")}')
            elif name == 'Runtime.consoleAPICalled' and of['type'] in ('error', 'warning', 'assert'):
                loaded.complaints.append(' '.join(str(a.get('value', a.get('description'))) for a in of['args']))
            elif name == 'Runtime.exceptionThrown':
                loaded.complaints.append(of['exceptionDetails'].get('exception', {}).get('description', of['exceptionDetails']['text']))
        loaded.seconds = time.monotonic() - began
        return loaded

    def screenshot(self, height=None):
        """A PNG of the page from its top."""
        clip = dict(x=0, y=0, width=self.size[0], height=height or self.size[1], scale=1)
        answer = self._ask('Page.captureScreenshot', format='png', clip=clip, captureBeyondViewport=True)
        return base64.b64decode(answer['data'])
