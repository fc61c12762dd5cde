"""c-icap with its echo service on a port of its own, for demos and measurements (Debian's package c-icap).

    with CIcap(cpu='1') as icap:
        icap.address                # host:port; the service is icap://ADDRESS/echo
"""
import glob, os, shutil, socket, subprocess, tempfile, time
from peers import free_port, tree
import signal


class CIcap:
    def __init__(self, cpu=None):
        self.cpu, self.port = cpu, free_port()

    @property
    def address(self):
        return f'127.0.0.1:{self.port}'

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix='icap-')
        os.chmod(self.dir, 0o777)
        modules = os.path.dirname((glob.glob('/usr/lib/*/c_icap/srv_echo.so') + glob.glob('/usr/lib/c_icap/srv_echo.so'))[0])
        with open(f'{self.dir}/c-icap.conf', 'w') as f:
            f.write(f'''PidFile {self.dir}/pid
CommandsSocket {self.dir}/ctl
Port {self.address}
StartServers 1
MaxServers 1
MinSpareThreads 10
MaxSpareThreads 128
ThreadsPerChild 128
MaxKeepAliveRequests -1
KeepAliveTimeout 600
ModulesDir {modules}
ServicesDir {modules}
TmpDir {self.dir}
ServerLog {self.dir}/log
AccessLog /dev/null
Service echo srv_echo.so
''')
        pin = ['taskset', '-c', self.cpu] if self.cpu else []
        self.process = subprocess.Popen(pin + ['c-icap', '-N', '-f', f'{self.dir}/c-icap.conf'], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(('127.0.0.1', self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        self.__exit__()
        raise RuntimeError('c-icap did not start')

    def __exit__(self, *_):
        for p in tree(self.process.pid):
            try:
                os.kill(p, signal.SIGKILL)
            except OSError:
                pass
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
