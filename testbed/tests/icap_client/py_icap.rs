//! pyicap, plain and through TLS: a server of another family.

use crate::{RUNTIMES, counted, proxy};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use understudy_testbed::{
    Client, Origin, PATIENCE, get,
    programs::{LONG, free_port, run_within},
    reply, run,
};

/// Turns bodies of answers to capitals, leaves what is called `/same`, blocks requests for `/blocked` and renames `/old`.
const SCRIPT: &str = r#"
import sys, ssl, socketserver, collections, collections.abc
# What it still uses has moved.
collections.Callable = collections.abc.Callable
sys.path.insert(0, sys.argv[1])
import pyicap

class Server(socketserver.ThreadingMixIn, pyicap.ICAPServer):
    daemon_threads = True
    allow_reuse_address = True

class Handler(pyicap.BaseICAPRequestHandler):
    def log_request(self, *a): pass
    def x_OPTIONS(self):
        self.set_icap_response(200)
        self.set_icap_header(b'Methods', b'RESPMOD, REQMOD')
        self.set_icap_header(b'Preview', b'16')
        self.set_icap_header(b'Allow', b'204')
        self.send_headers(False)
    def whole(self):
        body = b''
        if not self.has_body: return body
        if self.preview is not None:
            while True:
                chunk = self.read_chunk()
                if chunk == b'': break
                body += chunk
            if self.ieof: return body
            self.cont()
        while True:
            chunk = self.read_chunk()
            if chunk == b'': return body
            body += chunk
    def x_RESPMOD(self):
        if b'/same' in self.enc_req[1]:
            self.no_adaptation_required()
            return
        body = self.whole()
        self.set_icap_response(200)
        self.set_enc_status(b' '.join(self.enc_res_status))
        for name in self.enc_res_headers:
            for value in self.enc_res_headers[name]:
                self.set_enc_header(name, value)
        self.set_enc_header(b'X-Adapted', b'yes')
        self.send_headers(len(body) > 0)
        if body:
            self.write_chunk(body.upper())
            self.write_chunk(b'')
    def x_REQMOD(self):
        if b'/blocked' in self.enc_req[1]:
            self.set_icap_response(200)
            self.set_enc_status(b'HTTP/1.1 403 Forbidden')
            self.send_headers(True)
            self.write_chunk(b'blocked')
            self.write_chunk(b'')
            return
        body = self.whole()
        self.set_icap_response(200)
        self.set_enc_request(b' '.join(self.enc_req).replace(b'/old', b'/new'))
        for name in self.enc_req_headers:
            for value in self.enc_req_headers[name]:
                self.set_enc_header(name, value)
        self.send_headers(len(body) > 0)
        if body:
            self.write_chunk(body.upper())
            self.write_chunk(b'')

server = Server((b'127.0.0.1', int(sys.argv[2])), Handler)
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3] + '/cert.pem', sys.argv[3] + '/key.pem')
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

/// Says its options, late, and 204 to everything; each answer has the end of the TLS connection behind it in the same segment.
const ENDS: &str = r#"
import socket, ssl, sys, threading, time

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[3] + '/cert.pem', sys.argv[3] + '/key.pem')
OPTIONS = (b'ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\nISTag: "e"\r\nPreview: 16\r\nAllow: 204\r\n'
           b'Encapsulated: null-body=0\r\n\r\n')
def serve(sock):
    came, goes, seen, answer = ssl.MemoryBIO(), ssl.MemoryBIO(), b'', None
    tls = context.wrap_bio(came, goes, server_side=True)
    while answer is None:
        try:
            seen += tls.read(65536)
        except ssl.SSLWantReadError:
            sock.sendall(goes.read())
            more = sock.recv(65536)
            if not more: return
            came.write(more)
        if seen.startswith(b'OPTIONS ') and seen.endswith(b'\r\n\r\n'):
            time.sleep(1)
            answer = OPTIONS
        elif seen.startswith(b'RESPMOD ') and seen.endswith(b'0; ieof\r\n\r\n'):
            answer = b'ICAP/1.0 204 No Content\r\n\r\n'
    tls.write(answer)
    try: tls.unwrap()
    except ssl.SSLError: pass
    sock.sendall(goes.read())
    sock.close()

listener = socket.create_server(('127.0.0.1', int(sys.argv[2])))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"#;

/// Where pyicap is, fetched once.
fn library() -> &'static Path {
    static PLACE: OnceLock<tempfile::TempDir> = OnceLock::new();
    PLACE
        .get_or_init(|| {
            let dir = tempfile::tempdir().unwrap();
            let mut pip = Command::new("python3");
            pip.args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-cache-dir",
            ])
            .args([
                "--root-user-action",
                "ignore",
                "--pre",
                "pyicap",
                "--target",
            ])
            .arg(dir.path());
            run_within(&mut pip, LONG).expect(0);
            dir
        })
        .path()
}

struct PyIcap {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl PyIcap {
    fn start(tls: bool) -> PyIcap {
        PyIcap::running(SCRIPT, library(), tls)
    }

    fn running(text: &str, library: &Path, tls: bool) -> PyIcap {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let script = dir.path().join("server.py");
        std::fs::write(&script, text).unwrap();
        let mut command = Command::new("python3");
        command.arg(&script).arg(library).arg(port.to_string());
        if tls {
            run(Command::new("openssl")
                .args([
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                    "-days",
                    "2",
                ])
                .args([
                    "-subj",
                    "/CN=localhost",
                    "-addext",
                    "subjectAltName=DNS:localhost",
                ])
                .args(["-addext", "basicConstraints=critical,CA:FALSE"])
                .args(["-keyout", "key.pem", "-out", "cert.pem"])
                .current_dir(dir.path()))
            .expect(0);
            command.arg(dir.path());
        }
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "pyicap does not come");
            std::thread::sleep(Duration::from_millis(10));
        }
        PyIcap { child, port, dir }
    }
}

impl Drop for PyIcap {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn everything(uri: &str, more: &str) {
    let origin = Origin::answering(|r| {
        let length: usize = r.target[1..].parse().unwrap_or(3);
        let body = format!(
            "{} {}",
            "o".repeat(length),
            String::from_utf8_lossy(&r.body)
        );
        reply(
            200,
            &[
                "Cache-Control: max-age=600",
                &format!("X-Path: {}", r.target),
            ],
            body,
        )
    });
    for runtime in RUNTIMES {
        let answers = proxy(&origin, runtime, &format!("respmod = [\"{uri}\"]\n{more}"));
        for length in [1, 15, 16, 17, 300_000] {
            for hit in [false, true] {
                let got = get(answers.addr(), &format!("/{length}"), "site.test", "").expect(200);
                assert!(
                    got.body == format!("{} ", "O".repeat(length)).into_bytes(),
                    "{runtime} {length}"
                );
                assert_eq!(got.get("x-adapted"), Some("yes"));
                if hit {
                    got.expect_hit();
                }
            }
        }
        get(answers.addr(), "/same", "site.test", "")
            .expect(200)
            .expect_body("ooo ");
        assert_eq!(counted(&answers, "failures"), 0);

        let requests = proxy(&origin, runtime, &format!("reqmod = [\"{uri}\"]\n{more}"));
        assert_eq!(
            get(requests.addr(), "/old", "site.test", "").get("x-path"),
            Some("/new")
        );
        get(requests.addr(), "/blocked", "site.test", "")
            .expect(403)
            .expect_body("blocked");
        let long = "y".repeat(200_000);
        let post = format!(
            "POST /old HTTP/1.1\r\nHost: site.test\r\nContent-Length: 200000\r\n\r\n{long}"
        );
        let got = Client::to(requests.addr()).ask(post).expect(200);
        assert!(
            got.body == format!("ooo {}", long.to_uppercase()).into_bytes(),
            "{runtime}"
        );
        assert_eq!(counted(&requests, "failures"), 0);
    }
}

#[test]
fn answers_and_requests_are_adapted() {
    let server = PyIcap::start(false);
    everything(&format!("icap://127.0.0.1:{}/x", server.port), "");
}

#[test]
fn answers_and_requests_are_adapted_through_tls() {
    let server = PyIcap::start(true);
    let ca = format!(
        "ca = \"{}\"\n",
        server.dir.path().join("cert.pem").display()
    );
    everything(&format!("icaps://localhost:{}/x", server.port), &ca);
}

#[test]
fn a_tls_connection_that_ends_behind_an_answer_is_not_given_to_the_message_that_waits() {
    let origin = Origin::answering(|_| reply(200, &["Cache-Control: no-store"], "original"));
    for runtime in RUNTIMES {
        let server = PyIcap::running(ENDS, Path::new("-"), true);
        let ca = server.dir.path().join("cert.pem");
        let options = format!(
            "respmod = [\"icaps://localhost:{}/x\"]\nca = \"{}\"\n",
            server.port,
            ca.display()
        );
        let proxy = proxy(&origin, runtime, &options);
        // The first waits for the options.
        for _ in 0..5 {
            get(proxy.addr(), "/", "site.test", "")
                .expect(200)
                .expect_body("original");
        }
        assert_eq!(counted(&proxy, "failures"), 0, "{runtime}");
        assert_eq!(counted(&proxy, "unmodified"), 5, "{runtime}");
    }
}

#[test]
fn a_server_whose_certificate_is_not_known_is_not_trusted() {
    let server = PyIcap::start(true);
    let origin = Origin::answering(|_| reply(200, &[], "original"));
    for runtime in RUNTIMES {
        let options = format!("respmod = [\"icaps://localhost:{}/x\"]\n", server.port);
        let proxy = proxy(&origin, runtime, &options);
        assert_eq!(
            get(proxy.addr(), "/", "site.test", "").status,
            502,
            "{runtime}"
        );
    }
}
