#!/usr/bin/env python3
"""Instructions in user space per request, counted by valgrind's callgrind over one keep-alive connection.

    instructions.py PROGRAM hit|pass|miss COUNT [-- flags of `run`]

PROGRAM is a release build; 10 KiB answers; the first 200 requests are not counted. `hit` asks for one object again and again, `miss` for
new ones that are stored, `pass` for new ones that are not. Needs Debian's package valgrind.
"""
import glob, os, re, signal, socket, subprocess, sys, tempfile, threading
binary,work,n=sys.argv[1],sys.argv[2],int(sys.argv[3]); extra=sys.argv[5:]
body=os.urandom(10240)
class S(threading.Thread):
    def __init__(s):
        super().__init__(daemon=True); s.l=socket.socket(); s.l.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); s.l.bind(('127.0.0.1',0)); s.l.listen(64); s.port=s.l.getsockname()[1]
    def run(s):
        while True:
            c,_=s.l.accept(); threading.Thread(target=s.one,args=(c,),daemon=True).start()
    def one(s,c):
        buf=b''
        while True:
            while b'\r\n\r\n' not in buf:
                d=c.recv(65536)
                if not d: return
                buf+=d
            head,buf=buf.split(b'\r\n\r\n',1)
            cc=b'no-store' if b'/nc/' in head.split(b' ')[1] else b'max-age=3600'
            c.sendall(b'HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: application/octet-stream\r\nLast-Modified: Sat, 21 Nov 2020 10:00:00 GMT\r\nETag: "abc"\r\nCache-Control: '+cc+b'\r\nContent-Length: 10240\r\n\r\n'+body)
o=S(); o.start()
s=socket.socket(); s.bind(('127.0.0.1',0)); port=s.getsockname()[1]; s.close()
d=tempfile.mkdtemp(); 
p=subprocess.Popen(['valgrind','--tool=callgrind','--instr-atstart=no','--callgrind-out-file='+d+'/cg',binary,'run','--listen',f'127.0.0.1:{port}','--to',f'http://127.0.0.1:{o.port}','--workers','1','--admin','off']+extra,stderr=subprocess.PIPE,text=True)
for line in p.stderr:
    if line.strip()=='ready': break
else: print('did not start'); sys.exit(1)
threading.Thread(target=lambda: [0 for _ in p.stderr],daemon=True).start()
c=socket.create_connection(('127.0.0.1',port))
def get(path):
    c.sendall(b'GET '+path+b' HTTP/1.1\r\nHost: h.test\r\nUser-Agent: wrk\r\nAccept: */*\r\n\r\n')
    b=b''
    while b'\r\n\r\n' not in b: 
        x=c.recv(65536)
        if not x: print('gone',b[:200]); sys.exit(1)
        b+=x
    h,r=b.split(b'\r\n\r\n',1)
    if b'chunked' in h.lower():
        while not r.endswith(b'0\r\n\r\n'): r+=c.recv(65536)
    else:
        L=int(re.search(rb'(?i)content-length: (\d+)',h)[1])
        while len(r)<L: r+=c.recv(65536)
    return h
k=0
def one():
    global k; k+=1
    return get({'hit':b'/f','pass':b'/nc/%d'%k,'miss':b'/u/%d'%k}[work])
for _ in range(200): h=one()
subprocess.run(['callgrind_control','-i','on',str(p.pid)],capture_output=True)
for _ in range(n): one()
subprocess.run(['callgrind_control','-i','off',str(p.pid)],capture_output=True)
c.close(); p.send_signal(signal.SIGTERM); p.wait()
f=sorted(glob.glob(d+'/cg*'))
tot=0
for x in f:
    for l in open(x,errors='replace'):
        if l.startswith('summary:') or l.startswith('totals:'): tot=max(tot,int(l.split()[1]))
print(f'{work} {tot/n:.0f} instructions/request', h.split(b"\r\n")[0].decode(), f[-1])
